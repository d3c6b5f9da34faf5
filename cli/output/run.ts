// Owns: how a run looks to people: in a list and alone.
import type { RunSummary } from '../../api/messages/history.ts';
import { age, moment, money, span } from './quantity.ts';
import { oneLine, type Paint, type Tone } from './style.ts';
import type { Column } from './table.ts';
import { wrap } from './width.ts';

const outcomeTones: Readonly<Record<string, Tone>> = {
  success: 'green',
  handedOver: 'yellow',
  refused: 'yellow',
  failed: 'red',
  cancelled: 'dim',
  timedOut: 'red',
  Running: 'cyan',
  Waiting: 'yellow',
  Frozen: 'red',
};

/** How it ended, or what it is doing. */
export const standing = (run: RunSummary): string => (run.status === 'Closed' ? (run.outcome ?? 'Closed') : run.status);

export function paintStanding(run: RunSummary, paint: Paint): string {
  const words = standing(run);
  const tone = outcomeTones[words];
  return tone === undefined ? words : paint(tone, words);
}

export function runColumns(now: number): readonly Column<RunSummary>[] {
  return [
    { title: 'RUN', value: (run) => run.run },
    { title: 'WORKFLOW', value: (run) => run.workflow, shrinkTo: 16 },
    {
      title: 'STATUS',
      value: standing,
      tone: (run, paint) => (text) => {
        const tone = outcomeTones[standing(run)];
        return tone === undefined ? text : paint(tone, text);
      },
    },
    { title: 'STATE', value: (run) => run.state, shrinkTo: 8, drop: 3 },
    { title: 'TOOK', value: (run) => span((run.closedAt ?? now) - run.startedAt), right: true, drop: 4 },
    { title: 'COST', value: (run) => money(run.costMicros), right: true, drop: 2 },
    { title: 'ASKED', value: (run) => String(run.escalations), right: true, drop: 6 },
    { title: 'EFFECTS', value: (run) => String(run.effects), right: true, wide: true },
    { title: 'AGE', value: (run) => age(now - run.startedAt), right: true, drop: 5 },
    { title: 'KEY', value: (run) => run.key ?? '-', wide: true },
    { title: 'ROUTE', value: (run) => run.route, wide: true },
    { title: 'BY', value: (run) => run.requestedBy, wide: true },
    { title: 'MESSAGE', value: (run) => run.message, wide: true },
  ];
}

/** Facts of one run, a line each, and what to type next. */
export function runText(
  run: RunSummary,
  now: number,
  screen: { readonly columns: number; readonly paint: Paint; readonly again: string },
): string {
  const lines = facts(run, now).map(([name, value]) => {
    const folded = wrap(oneLine(value), screen.columns - 14).join(`\n${' '.repeat(14)}`);
    return `${name.padEnd(14)}${name === 'status' ? value.replace(standing(run), paintStanding(run, screen.paint)) : folded}`;
  });
  return [...lines, '', `next: ${nextFor(run, screen.again)}`].join('\n');
}

function facts(run: RunSummary, now: number): readonly (readonly [string, string])[] {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['run', run.run],
    ['workflow', `${run.workflow} (${run.workflowDigest.slice(0, 19)}…)`],
    ['namespace', run.namespace],
    ['status', `${standing(run)}${run.state === '' ? '' : `, state ${run.state}`}`],
    ['message', run.message],
    ['key', run.key],
    ['started', `${moment(run.startedAt)} by ${run.requestedBy} (${run.source})`],
    ['took', `${span((run.closedAt ?? now) - run.startedAt)}${run.closedAt === undefined ? ' so far' : ''}`],
    ['cost', money(run.costMicros)],
    ['effects', String(run.effects)],
    [
      'attempts',
      `${run.attempts}${run.repairs > 0 ? `, and ${run.repairs} ${run.repairs === 1 ? 'repair' : 'repairs'} after the verifier said no` : ''}`,
    ],
    ['route', run.route],
    ['escalations', `${run.escalations}${run.escalation === undefined ? '' : `, open: ${run.escalation}`}`],
    ['object', run.object === undefined ? undefined : `workflowrun/${run.object.name}`],
    ['ending', endingWords(run)],
    ['frozen', run.frozen?.map(({ by, reason }) => `by ${by}: ${reason}`).join('; ')],
    ['read-only', run.readOnly === true ? 'yes: calls with an effect are denied' : undefined],
    ['parent', run.parentRun === undefined ? undefined : `run ${run.parentRun}`],
    ['handed to', run.fallbackRun === undefined ? undefined : `run ${run.fallbackRun}`],
  ];
  return rows.filter((row): row is readonly [string, string] => row[1] !== undefined && row[1] !== '');
}

function endingWords({ ending }: RunSummary): string | undefined {
  if (ending === undefined) return undefined;
  const left = ending.compensations === 0 ? '' : `; still to be undone: ${ending.compensations}`;
  return `with ${ending.outcome}: ${ending.message}${left}`;
}

/** `at`: flags that lead to the same place again. */
export function nextFor(run: RunSummary, at: string): string {
  if (run.status !== 'Closed' && run.escalation !== undefined) {
    return `signalbox escalation show ${run.escalation.toLowerCase()}${at}`;
  }
  return `signalbox trace ${run.run}${at}`;
}
