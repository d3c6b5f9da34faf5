// Owns: how people see rollouts.
import type { RolloutPhase, RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { type RolloutObject, phaseOf } from '../kube/rollouts.ts';
import { type Column, table } from './table.ts';
import type { Screen } from './screen.ts';
import { oneLine, type Paint } from './style.ts';
import { wrap } from './width.ts';

type Tone = 'green' | 'red' | 'yellow' | 'cyan';

const tones: Partial<Readonly<Record<RolloutPhase, Tone>>> = {
  Completed: 'green',
  RolledBack: 'red',
  Rejected: 'red',
  Aborting: 'red',
  RollingBack: 'red',
  Held: 'yellow',
  AwaitingApproval: 'yellow',
  Paused: 'yellow',
  Waiting: 'yellow',
};

/** How a pager takes it. */
export const toneOf = (rollout: RolloutObject): Tone => tones[phaseOf(rollout)] ?? 'cyan';

const percent = (bps: number | undefined): string => (bps === undefined ? '' : `${bps / 100} %`);

export const rolloutColumns: readonly Column<RolloutObject>[] = [
  { title: 'NAME', value: ({ metadata }) => metadata.name },
  { title: 'PHASE', value: phaseOf, tone: (rollout, paint: Paint) => (text) => paint(toneOf(rollout), text) },
  { title: 'REASON', value: ({ status }) => status?.reason ?? '', drop: 3 },
  { title: 'STABLE', value: ({ spec }) => spec.from?.bundle ?? '', drop: 2 },
  { title: 'CANARY', value: ({ spec }) => spec.to.bundle, drop: 1 },
  { title: 'WEIGHT', value: ({ status }) => percent(status?.weight?.observedBps), right: true },
  { title: 'UNITS', value: ({ status }) => String(status?.samples?.canary ?? ''), right: true, drop: 4 },
  { title: 'VERDICT', value: ({ status }) => status?.verdict ?? '', drop: 5 },
  { title: 'MESSAGE', value: ({ status }) => status?.message ?? '', wide: true },
];

type Metric = NonNullable<RolloutStatus['metrics']>[number];
const pair = (values: readonly (string | number)[]): string => values.join(' / ');

const metricColumns: readonly Column<Metric>[] = [
  { title: 'METRIC', value: ({ name }) => name },
  { title: 'VERDICT', value: ({ verdict }) => verdict },
  { title: 'UNITS', value: ({ units }) => pair(units), right: true },
  { title: 'MEANS', value: ({ means }) => pair(means), right: true },
  { title: 'HARM', value: ({ logHarm }) => logHarm, right: true, drop: 2 },
  { title: 'PASS', value: ({ logPass }) => logPass, right: true, drop: 1 },
  { title: 'WHY', value: ({ cause }) => cause ?? '', shrinkTo: 24, drop: 3 },
];

/** The metrics of a rollout, stable before canary. */
export function evidenceText({ status }: RolloutObject, { columns, paint }: Pick<Screen, 'columns' | 'paint'>): string {
  const { metrics = [], samples, evidence } = status ?? {};
  if (metrics.length === 0) return 'There is no evidence yet.';
  const lines = table(metrics, metricColumns, { columns, paint });
  const units = `Units: ${samples?.stable ?? 0} stable, ${samples?.canary ?? 0} canary, ${samples?.excluded ?? 0} excluded.`;
  return [...lines, '', `${units} Records of the log: ${evidence?.seq ?? 0}, ${evidence?.digest ?? ''}.`].join('\n');
}

export function rolloutText(rollout: RolloutObject, { columns, paint }: Pick<Screen, 'columns' | 'paint'>): string {
  const { spec, status = {}, metadata } = rollout;
  const { reason = '', stageText = '-', verdict = '-', message = 'Nobody has looked at it yet.' } = status;
  const facts = [
    `${paint('bold', metadata.name)}  ${paint(toneOf(rollout), phaseOf(rollout))}  ${reason}`,
    `agent ${spec.agent}, from ${spec.from?.bundle ?? 'nothing'} to ${spec.to.bundle}, attempt ${spec.attempt}`,
    `stage ${stageText}, weight ${percent(status.weight?.observedBps ?? 0)}, verdict ${verdict}`,
    ...warnings(rollout),
    '',
    oneLine(message),
  ];
  return facts.flatMap((fact) => (fact === '' ? [''] : wrap(fact, columns))).join('\n');
}

function warnings({ spec: { highRisk = [] }, status }: RolloutObject): readonly string[] {
  const quarantined = status?.quarantined;
  return [
    ...(quarantined === undefined ? [] : [`under quarantine: ${oneLine(quarantined)}`]),
    ...(highRisk.length === 0 ? [] : [`high-risk: ${highRisk.map(oneLine).join('; ')}`]),
  ];
}

export function historyText({ status }: RolloutObject, columns: number): string {
  const lines = (status?.decisions ?? []).map(
    ({ at, from, to, reason, why, by }) =>
      `${at}  ${from} → ${to}  ${reason}${by === undefined ? '' : ` by ${oneLine(by)}`}: ${oneLine(why)}`,
  );
  return lines.length === 0 ? 'Nothing has happened yet.' : lines.flatMap((line) => wrap(line, columns)).join('\n');
}
