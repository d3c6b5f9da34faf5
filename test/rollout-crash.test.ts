// Rollouts played through time by whoever looks and crashes: the same end, no weight after an abort, no promotion without
// positive evidence or a person.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endedPhases, type RolloutStatus, type RolloutVerb, rolloutVerbs } from '../api/v1alpha1/rollout.ts';
import { planRollout } from '../core/rollout/machine.ts';
import { offerOf, stableOf } from '../core/rollout/route.ts';
import type { Judgement, RolloutAct, RolloutPlan, RolloutSeen, SeenRoute } from '../core/rollout/seen.ts';
import { digestOf, judged, now as start, release, seenOf, told } from './support/rollout-scene.ts';

const minute = 60_000;

/** What happens in the world at a minute, whoever looks. */
interface Script {
  readonly judgements: readonly Judgement[];
  readonly commands: readonly { readonly at: number; readonly verb: RolloutVerb }[];
  readonly other: { readonly at: number } | undefined;
  readonly inFlight: 'finish' | 'cancelEscalate';
  readonly onInconclusive: 'extend' | 'approve' | 'hold' | 'rollback';
}

const judgement = fc.oneof(
  { weight: 6, arbitrary: fc.nat(200).map((units) => judged('Running', { units })) },
  { weight: 3, arbitrary: fc.nat(400).map((units) => judged('Pass', { units })) },
  { weight: 1, arbitrary: fc.constant(judged('Fail')) },
  { weight: 1, arbitrary: fc.constant(judged('Running', { kill: true })) },
  { weight: 1, arbitrary: fc.constant(judged('Error', { cause: 'ProviderDown' })) },
  { weight: 1, arbitrary: fc.constant(judged('Inconclusive', { cause: 'NoData' })) },
);
/** `retry` and `release` are told to a rollout that has ended. */
const verb = fc.constantFrom(...rolloutVerbs.filter((one) => one !== 'retry' && one !== 'release'));
const scripts: fc.Arbitrary<Script> = fc.record({
  judgements: fc.array(judgement, { minLength: 1, maxLength: 30 }),
  commands: fc.array(fc.record({ at: fc.nat(300), verb }), { maxLength: 8 }),
  other: fc.option(fc.record({ at: fc.nat(600) }), { nil: undefined, freq: 4 }),
  inFlight: fc.constantFrom('finish', 'cancelEscalate'),
  onInconclusive: fc.constantFrom('extend', 'approve', 'hold', 'rollback'),
});

/** Where a look stops: before anything, after the acts, or not at all. */
type Crash = 'before' | 'acted' | 'none';

class Played {
  readonly script: Script;
  status: RolloutStatus = {};
  readonly written: RolloutStatus[] = [];
  readonly acts = new Map<string, RolloutAct>();
  readonly commands: readonly ReturnType<typeof told>[];
  route: SeenRoute = { stable: digestOf('a'), canaryBps: 0, told: true };

  constructor(script: Script) {
    this.script = script;
    this.commands = script.commands.map(({ verb: one }, index) => told(one, { uid: `uid-${index}` }));
  }

  seen(elapsed: number): RolloutSeen {
    const { judgements, commands, other, inFlight, onInconclusive } = this.script;
    const current = judgements[Math.min(judgements.length - 1, Math.floor(elapsed / 10))];
    const { spec, ...rest } = seenOf({ release: { rollback: { inFlight }, onInconclusive } });
    const isJudged = this.status.weight !== undefined && current !== undefined;
    const cancelled = this.acts.has('uid-1/cancel/r1');
    return {
      ...rest,
      spec,
      status: this.status,
      wanted: other !== undefined && elapsed >= other.at ? digestOf('c') : digestOf('b'),
      route: this.route,
      commands: this.commands.filter((_, index) => (commands[index]?.at ?? 0) <= elapsed),
      runs: { open: cancelled ? [] : ['r1'], cancelled: cancelled ? 1 : 0, withEffects: [], compensated: [] },
      ...(isJudged ? { judgement: current } : {}),
    };
  }

  look(elapsed: number, crash: Crash): RolloutPlan {
    const plan = planRollout(this.seen(elapsed), start + elapsed * minute);
    if (crash === 'before') return plan;
    for (const act of plan.commands) this.acts.set(act.key, act);
    if (crash === 'acted') return plan;
    this.status = plan.status;
    this.written.push(plan.status);
    this.#catalog();
    return plan;
  }

  /** Who makes the Agent's snapshot reads the status, and the partitions follow. */
  #catalog(): void {
    const attempt = { name: 'r', uid: 'uid-1', spec: seenOf().spec, status: this.status };
    this.route = {
      stable: stableOf(attempt)?.digest ?? '',
      canaryBps: offerOf(attempt)?.weightBps ?? 0,
      told: true,
    };
  }

  /** Every five minutes it is looked at until nothing moves; `crashes` says how each look ends before one succeeds. */
  play(crashes: readonly Crash[]): void {
    let next = 0;
    for (let elapsed = 0; elapsed < 60 * 24 * 3; elapsed += elapsed < 700 ? 5 : 120) {
      for (let look = 0; look < 60; look += 1) {
        for (let crash = crashes[next++ % (crashes.length + 1)]; crash !== undefined && crash !== 'none';) {
          this.look(elapsed, crash);
          crash = crashes[next++ % (crashes.length + 1)];
        }
        if ((this.look(elapsed, 'none').requeueAfterMs ?? lookedAt) >= lookedAt) break;
      }
    }
  }
}
const lookedAt = 1_000;
const wayOf = ({ written }: Played): readonly unknown[] =>
  written.map(({ phase, stage }) => `${phase} ${stage}`).filter((step, index, all) => step !== all[index - 1]);
const isEnded = ({ phase }: RolloutStatus): boolean => endedPhases.some((ended) => ended === phase);

test('whoever crashes: the same way to the same end, each act once', () => {
  fc.assert(
    fc.property(
      scripts,
      fc.array(fc.constantFrom<Crash>('before', 'acted', 'none'), { maxLength: 12 }),
      (script, crashes) => {
        const calm = new Played(script);
        calm.play([]);
        const crashed = new Played(script);
        crashed.play(crashes);
        expect(crashed.status).toEqual(calm.status);
        expect(wayOf(crashed)).toEqual(wayOf(calm));
        expect(crashed.acts).toEqual(calm.acts);
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);

test('after an abort no weight, without evidence or a person no promotion, and every status speaks', () => {
  const seenPhases = new Set<string>();
  fc.assert(
    fc.property(scripts, (script) => {
      const played = new Played(script);
      played.play([]);
      let goesBack = false;
      for (const status of played.written) {
        seenPhases.add(status.phase ?? '');
        goesBack ||= status.phase === 'Aborting' || status.phase === 'RollingBack';
        if (goesBack) {
          expect(status.weight?.desiredBps ?? 0).toBe(0);
          expect(status.promoted).toBeUndefined();
        }
        if (status.promoted === true) {
          expect(status.passed === true || status.approved !== undefined || status.forced !== undefined).toBe(true);
        }
        expect(status.message).toMatch(/^[A-Z].+: .+\. Next: .+\.$/s);
        if (isEnded(status) && status.phase !== 'Completed') expect(status.verdict).not.toBe('Pass');
        expect(status.commands?.every(({ message }) => message.length > 10) ?? true).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
  for (const phase of ['Completed', 'RolledBack', 'Superseded', 'Held', 'AwaitingApproval', 'Paused', 'Baking']) {
    expect(seenPhases, phase).toContain(phase);
  }
}, 120_000);

test('a stage that is promoted by evidence alone is promoted without anybody', () => {
  const played = new Played({
    judgements: [judged('Pass')],
    commands: [],
    other: undefined,
    inFlight: 'finish',
    onInconclusive: 'hold',
  });
  const spec = seenOf({ release: { stages: release.stages.filter(({ approve }) => approve === undefined) } }).spec;
  const seenBefore = played.seen.bind(played);
  played.seen = (elapsed) => ({ ...seenBefore(elapsed), spec });
  played.play([]);
  expect(played.status).toMatchObject({ phase: 'Completed', verdict: 'Pass', passed: true });
});
