// Owns: the page of a trace: time since the start, a mark, the sentence, and its details below it, wrapped to the screen.
import { offset } from '../output/quantity.ts';
import { type Paint, plain, type Tone } from '../output/style.ts';
import { pad, wrap } from '../output/width.ts';
import type { Entry } from './narrate.ts';
import type { Mark } from './telling.ts';

const signs: Readonly<Record<Mark, string>> = { plain: '·', move: '→', good: '✓', bad: '✗', ask: '!' };
const tones: Readonly<Record<Mark, Tone | undefined>> = {
  plain: undefined,
  move: 'cyan',
  good: 'green',
  bad: 'red',
  ask: 'yellow',
};

const TIME = 9;
/** Time, gap, sign, space. */
const INDENT = TIME + 4;

export interface RenderOptions {
  readonly columns: number;
  readonly paint?: Paint;
  /** When the run started; offsets count from it. */
  readonly startedAt: number;
}

export function renderEntries(entries: readonly Entry[], options: RenderOptions): string[] {
  return entries.flatMap((entry) => renderEntry(entry, options));
}

function renderEntry(entry: Entry, { columns, paint = plain, startedAt }: RenderOptions): string[] {
  const tone = tones[entry.mark];
  const colour = (text: string): string => (tone === undefined ? text : paint(tone, text));
  const time = pad(offset(entry.at - startedAt), TIME, true);
  const [head = '', ...rest] = wrap(entry.title, columns - INDENT);
  const blank = ' '.repeat(INDENT);
  return [
    `${paint('dim', time)}  ${colour(signs[entry.mark])} ${colour(head)}`,
    ...rest.map((line) => blank + colour(line)),
    ...entry.details.flatMap((detail) => paragraph(detail, columns - INDENT)).map((line) => blank + paint('dim', line)),
  ].map((line) => line.trimEnd());
}

/** Wrapped lines, those after the first two columns deeper; keeps the detail's own indentation. */
function paragraph(detail: string, columns: number): string[] {
  return detail.split('\n').flatMap((text) => {
    const own = /^ */.exec(text)?.[0] ?? '';
    const lines = wrap(text.slice(own.length), columns - own.length - 2);
    return lines.map((line, index) => `${own}${index === 0 ? '' : '  '}${line}`);
  });
}
