// Owns: how the measured error rates are written.
import type { Counted, Measured } from './measure.ts';

const [begin, end] = ['<!-- measured -->', '<!-- /measured -->'];

export function table(measured: readonly Measured[]): string {
  return measured.map(tableOf).join('\n\n');
}

function tableOf({ setting, rollouts, counted }: Measured): string {
  const { stable, canary } = setting.traffic;
  const isWrong = (of: string): string => (of === setting.wrong ? ' (wrong)' : '');
  return [
    `${setting.name}: stable ${stable.good}, canary ${canary.good}, ${rollouts} rollouts`,
    '',
    `| judge | promoted${isWrong('promoted')} | rolled back${isWrong('rolledBack')} | undecided | canary units to the right end, median |`,
    '| --- | --- | --- | --- | --- |',
    ...counted.map((of) => row(of, rollouts)),
  ].join('\n');
}

function row({ judge, ends, medianUnits }: Counted, rollouts: number): string {
  const share = (count: number): string => `${((count / rollouts) * 100).toFixed(1)} %`;
  return `| ${judge} | ${share(ends.promoted)} | ${share(ends.rolledBack)} | ${share(ends.undecided)} | ${medianUnits ?? ''} |`;
}

/** The page with this table between its marks. */
export function withTable(page: string, text: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from)
    throw new RangeError(`the page has no place for the table: ${begin} and ${end} are wanted`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}
