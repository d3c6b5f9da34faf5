// Owns: a rollout as a test sees it, in the middle of its way.
import type { Release } from '../../api/v1alpha1/release.ts';
import type { RolloutPhase, RolloutReason, RolloutStatus, RolloutVerb } from '../../api/v1alpha1/rollout.ts';
import type { Judgement, RolloutSeen, WaitingCommand } from '../../core/rollout/seen.ts';

export const now = Date.parse('2026-11-25T12:00:00Z');
export const ago = (minutes: number): string => new Date(now - minutes * 60_000).toISOString().replace('.000', '');
export const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;

/** 0: suite, 1: canary 5 %, 2: canary 50 %, 3: approve, 4: bake. */
export const release: Release = {
  stages: [
    { suite: { name: 'golden' } },
    { canary: { weight: 5, until: { minUnits: 20, maxDuration: '1h' } } },
    { canary: { weight: 50, until: { minUnits: 100, maxDuration: '2h' } } },
    { approve: { scope: 'leads', expires: '24h' } },
    { bake: { duration: '1h' } },
  ],
};
export const noFreeze = { cron: '0 0 1 1 *', duration: '1h' };
export const frozenNow = { cron: '0 12 * * *', duration: '1h', reason: 'a holiday' };

export interface Scene {
  readonly release?: Partial<Release>;
  readonly spec?: Partial<RolloutSeen['spec']>;
  readonly status?: RolloutStatus;
  readonly seen?: Partial<RolloutSeen>;
}

export const judged = (verdict: Judgement['verdict'], more: Partial<Judgement> = {}): Judgement => ({
  verdict,
  kill: false,
  cause: verdict === 'Fail' ? 'HarmDetected' : 'NeedMoreUnits',
  why: 'task success 0.91 against 0.90',
  units: 500,
  ...more,
});

export function seenOf(scene: Scene = {}): RolloutSeen {
  return {
    uid: 'uid-1',
    spec: {
      agent: 'receptionist',
      attempt: 1,
      ordinal: 1,
      from: { bundle: 'one', digest: digestOf('a') },
      to: { bundle: 'two', digest: digestOf('b') },
      salt: 'salt',
      release: { ...release, ...scene.release },
      ...scene.spec,
    },
    status: { startedAt: ago(60), phaseSince: ago(30), stageSince: ago(30), ...scene.status },
    agentGone: false,
    wanted: digestOf('b'),
    suspended: false,
    liveBundles: 1,
    bundle: { verdict: 'Pass', why: 'it is published' },
    gates: { 0: { verdict: 'Pass', why: '12 of 12 scenarios passed' } },
    workers: { ready: 1, wanted: 1 },
    consumerBound: true,
    route: { stable: digestOf('a'), canaryBps: scene.status?.weight?.desiredBps ?? 0, told: true },
    commands: [],
    ...scene.seen,
  };
}

export const told = (verb: RolloutVerb, more: Partial<WaitingCommand> = {}): WaitingCommand => ({
  uid: `uid-${verb}`,
  verb,
  by: 'ann',
  reason: 'as agreed',
  ...(verb === 'approve' || verb === 'reject' ? { scope: 'leads' } : {}),
  ...more,
});
export const commanded = (verb: RolloutVerb, more: Partial<WaitingCommand> = {}): Pick<RolloutSeen, 'commands'> => ({
  commands: [told(verb, more)],
});

export const at = (phase: RolloutPhase, stage = 0, more: RolloutStatus = {}): RolloutStatus => ({
  phase,
  reason: 'Admitted',
  stage,
  ...more,
});
export const weighing = (bps: number): Pick<RolloutStatus, 'weight'> => ({
  weight: { desiredBps: bps, observedBps: bps },
});
export const small = { ...weighing(500), stage: 1 };
export const large = { ...weighing(5_000), stage: 2 };
export const promoted = { ...weighing(10_000), promoted: true, stage: 4 };
export const toNew = { route: { stable: digestOf('b'), canaryBps: 10_000, told: true } };
export const finding = (
  verdict: Judgement['verdict'],
  more: Partial<Judgement> = {},
): Pick<RolloutSeen, 'judgement'> => ({
  judgement: judged(verdict, more),
});

/** From, what is seen, to, why; and the scene in which it is so. */
export type Case = readonly [RolloutPhase, string, RolloutPhase, RolloutReason, Scene];
