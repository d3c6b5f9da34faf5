// Owns: how a dead letter looks to people: in a list and alone.
import { type DeadLetter, deadLetterReasons } from '../../api/messages/dead-letter.ts';
import { age, moment } from './quantity.ts';
import { oneLine } from './style.ts';
import type { Column } from './table.ts';
import { wrap } from './width.ts';

const originOf = ({ origin }: DeadLetter): string => `${origin.kind} ${origin.name}`;

export function letterColumns(now: number): readonly Column<DeadLetter>[] {
  return [
    { title: 'LETTER', value: (letter) => letter.id },
    { title: 'REASON', value: (letter) => letter.reason },
    { title: 'ORIGIN', value: originOf, shrinkTo: 12 },
    { title: 'TRIES', value: (letter) => String(letter.attempts), right: true, drop: 3 },
    { title: 'LAST', value: (letter) => age(now - letter.lastAt), right: true, drop: 4 },
    { title: 'CAUSE', value: ({ cause }) => `${cause.code}: ${cause.message}`, shrinkTo: 10, drop: 5 },
    { title: 'STATE', value: (letter) => letter.state, drop: 2 },
    { title: 'ITEM', value: (letter) => letter.origin.item, wide: true },
    { title: 'WORKFLOW', value: (letter) => letter.origin.workflow ?? '-', wide: true },
    { title: 'RUN', value: (letter) => letter.origin.run ?? '-', wide: true },
    { title: 'GROUP', value: (letter) => letter.group, wide: true },
  ];
}

/** Facts of one letter, a line each. */
export function letterText(letter: DeadLetter, now: number, columns: number): string {
  const { origin, content, decided } = letter;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['letter', `${letter.id}, ${letter.state.toLowerCase()}`],
    ['reason', `${letter.reason}: ${deadLetterReasons[letter.reason]}`],
    ['origin', `${originOf(letter)}, ${origin.item}`],
    ['workflow', origin.workflow],
    ['run', origin.run],
    ['cause', `${letter.cause.code}: ${letter.cause.message}`],
    ['tries', `${letter.attempts}, first ${moment(letter.firstAt)}, last ${age(now - letter.lastAt)} ago`],
    ['carried', content === undefined ? 'not kept' : `${content.bytes} bytes, ${content.digest}`],
    ['group', letter.group],
    ['decided', decided === undefined ? undefined : `by ${decided.by}, ${moment(decided.at)}: ${decided.reason}`],
  ];
  return rows
    .flatMap(([name, value]) =>
      value === undefined
        ? []
        : [`${name.padEnd(10)}${wrap(oneLine(value), columns - 10).join(`\n${' '.repeat(10)}`)}`],
    )
    .join('\n');
}
