// Owns: mistakes and findings as lines that editors and CI understand: file:line:column, then what is wrong.
import type { Screen } from '../output/screen.ts';
import { printable } from '../output/style.ts';
import { VerbError } from '../failure.ts';
import type { Said } from './built.ts';
import { type Declared, type Reading, readDeclared } from './declared.ts';
import type { Mistake, Place } from './source.ts';

const at = ({ file, line, column }: Place): string => printable(`${file}:${line}:${column}`);

export const findingLine = ({ place, severity, message, check }: Said, paint: Screen['paint']): string =>
  `${at(place)}: ${paint(severity === 'error' ? 'red' : 'yellow', severity)}: ${printable(message)} (${check})`;

/** Says each on standard error, and ends the verb. */
export function refuse(screen: Screen, mistakes: readonly Mistake[]): never {
  for (const { place, message } of mistakes) {
    screen.note(`${at(place)}: ${screen.paintError('red', 'error')}: ${printable(message)}`);
  }
  throw new VerbError('INVALID_INPUT', `${mistakes.length} mistake${mistakes.length === 1 ? '' : 's'} in the files`);
}

/** What the files declare, if all of it can be read. */
export async function readSound(screen: Screen, paths: readonly string[]): Promise<Declared> {
  const { declared, mistakes }: Reading = await readDeclared(paths);
  return mistakes.length === 0 ? declared : refuse(screen, mistakes);
}
