// Owns: how the runtime as a whole looks to people: who serves what, and the sentences that say what is wrong.
import type { PartitionProblem, PartitionStatus } from '../../api/messages/status.ts';
import type { Work } from '../engine/system-status.ts';
import type { StatusOptions } from './status.ts';
import { oneLine, plain } from './style.ts';
import { type Column, table } from './table.ts';
import { wrap } from './width.ts';

type Line = PartitionStatus | PartitionProblem;

const served =
  (value: (one: PartitionStatus) => string | number) =>
  (one: Line): string =>
    'engine' in one ? String(value(one)) : '-';

const columns: readonly Column<Line>[] = [
  { title: 'PARTITION', value: ({ partition }) => String(partition), right: true },
  {
    title: 'ENGINE',
    value: (one) => ('engine' in one ? one.engine : `not served: ${one.code}`),
    shrinkTo: 12,
    tone: (one, paint) => (text) => ('engine' in one ? text : paint('red', text)),
  },
  { title: 'OPEN', value: served(({ runs }) => runs.Running + runs.Waiting + runs.Frozen), right: true },
  { title: 'FROZEN', value: served(({ runs }) => runs.Frozen), right: true, wide: true },
  { title: 'PARKED', value: served(({ parked }) => parked), right: true },
  { title: 'WAITING', value: served(({ tasks }) => tasks.waiting), right: true, drop: 2 },
  { title: 'AT WORK', value: served(({ tasks }) => tasks.claimed), right: true, drop: 3 },
  { title: 'JOURNAL', value: served(({ fullness }) => `${Math.floor(fullness * 100)} %`), right: true, drop: 1 },
];

export function workText(work: Work, options: StatusOptions): string {
  const paint = options.paint ?? plain;
  if ('problem' in work)
    return paint('yellow', wrap(`The engine says nothing: ${oneLine(work.problem)}`, options.columns).join('\n'));
  const sentences = work.says.map((sentence) => wrap(`- ${oneLine(sentence)}`, options.columns).join('\n  '));
  return [table(work.partitions, columns, options).join('\n'), sentences.join('\n')].join('\n\n');
}
