// Owns: what a verb prints that changes one thing: the thing as a document, its name, or a sentence and what to type next.
import { documentText, type Format, isDocument } from './document.ts';
import type { Screen } from './screen.ts';
import { oneLine } from './style.ts';

/** The formats of such a verb. */
export const answerFormats = ['table', 'json', 'yaml', 'name'] as const satisfies readonly Format[];

export interface Answer {
  /** As the server gave it. */
  readonly value: unknown;
  readonly name: string;
  /** May hold words of other people. */
  readonly sentence: string;
  readonly next?: string;
}

export async function printAnswer(screen: Screen, answer: Answer, format: Format): Promise<void> {
  if (isDocument(format)) return screen.raw(await documentText(answer.value, format));
  if (format === 'name') return screen.print(answer.name);
  screen.print(oneLine(answer.sentence));
  if (answer.next !== undefined) screen.note(`next: ${answer.next}`);
}
