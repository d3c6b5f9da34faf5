// Owns: the stages of a strategy: what each is, when it ends, what comes next.
import type { Release, Stage } from '../../api/v1alpha1/release.ts';
import type { RolloutSpec } from '../../api/v1alpha1/rollout.ts';
import { durationMs } from '../routing/duration.ts';
import { readCron } from '../schedule/cron.ts';
import { nextTime } from '../schedule/next.ts';

const hourMs = 3_600_000;

export const defaults = {
  minUnits: 20,
  approvalMs: 24 * hourMs,
  /** Whose members are asked where the strategy names nobody. */
  scope: 'releases',
  noDataMs: 2 * hourMs,
  attemptMs: 14 * 24 * hourMs,
  provisionMs: hourMs / 6,
  maxLiveBundles: 4,
  onInconclusive: 'hold',
  onNoData: 'hold',
  onNewBundle: 'supersede',
  inFlight: 'finish',
} as const;

export type StageKind = keyof Stage;
const kinds = ['suite', 'replay', 'shadow', 'canary', 'approve', 'hold', 'bake'] as const satisfies StageKind[];

export function kindOf(stage: Stage): StageKind {
  return kinds.find((kind) => stage[kind] !== undefined) ?? 'hold';
}

/** The stage itself when `at` is one: after the last one there is none. */
export const stageAt = (release: Release, at: number): Stage | undefined => release.stages[at];

/** Hundredths of a percent of new keys. */
export function weightOf(stage: Stage | undefined): number {
  return stage?.canary?.weightBps ?? (stage?.canary?.weight ?? 0) * 100;
}

/** An approval that is asked for in any case, or since the change is high-risk. */
export function isAsked({ release, highRisk = [] }: RolloutSpec, at: number): boolean {
  const approve = stageAt(release, at)?.approve;
  return approve !== undefined && (approve.when !== 'highRisk' || highRisk.length > 0);
}

/** The next stage that has something to do; the number of stages when there is none. */
export function nextStage(spec: RolloutSpec, after: number): number {
  const { stages } = spec.release;
  let at = after + 1;
  while (at < stages.length && stages[at]?.approve !== undefined && !isAsked(spec, at)) at += 1;
  return at;
}

const isLastCanary = ({ stages }: Release, at: number): boolean =>
  !stages.slice(at + 1).some((stage) => stage.canary !== undefined);

/** Positive evidence is asked of the last canary stage, unless people are asked after it and the strategy says so. */
export function needsPass(spec: RolloutSpec, at: number): boolean {
  const { release } = spec;
  const require = stageAt(release, at)?.canary?.until.require;
  if (require === 'pass' || !isLastCanary(release, at)) return require === 'pass';
  const asked = release.stages.some((_, index) => index > at && isAsked(spec, index));
  return require === undefined || !asked;
}

/** Who is asked about this stage. */
export function scopeAt({ stages }: Release, at: number): string {
  return stages.slice(at).find(({ approve }) => approve !== undefined)?.approve?.scope ?? defaults.scope;
}

/** `3/5 canary`. */
export function stageText({ stages }: Release, at: number): string {
  const stage = stages[at];
  return stage === undefined ? `${stages.length}/${stages.length}` : `${at + 1}/${stages.length} ${kindOf(stage)}`;
}

/** A strategy with an approval after its last canary: of a change that people have to see. */
export function withApproval(release: Release, highRisk: readonly string[]): Release {
  const { stages } = release;
  const last = stages.findLastIndex((stage) => stage.canary !== undefined);
  const asked = stages.some(({ approve }, at) => at > last && approve !== undefined);
  if (highRisk.length === 0 || asked) return release;
  const approve = { scope: scopeAt(release, 0) };
  const bake = stages.findIndex((stage) => stage.bake !== undefined);
  const at = last >= 0 ? last + 1 : bake >= 0 ? bake : stages.length;
  return { ...release, stages: [...stages.slice(0, at), { approve }, ...stages.slice(at)] };
}

/** An open freeze window, and until when at least; undefined: none is open. One that cannot be read is open: an error denies. */
export function freezeAt(
  { freezeWindows = [] }: Release,
  now: number,
): { readonly until: number; readonly reason: string } | undefined {
  for (const { cron, timeZone, duration, reason } of freezeWindows) {
    const length = durationMs(duration, 0);
    const read = readCron(cron);
    if (!read.ok) return { until: now + hourMs, reason: `its cron cannot be read: found ${read.found}` };
    const began = nextTime(read.cron, timeZone ?? 'UTC', now - length);
    if (began !== undefined && began <= now) return { until: began + length, reason: reason ?? 'no reason is given' };
  }
  return undefined;
}
