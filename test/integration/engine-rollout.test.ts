// A rollout on real engines: keys are assigned while the weight rises, engines die, and the rollout is aborted.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import type { OutcomesReply, RolloutOffer, RunOutcome } from '../../api/messages/rollout.ts';
import { buckets, catalogKeys, engineSubject } from '../../api/messages/subjects.ts';
import type { VersionReport } from '../../api/messages/versions.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { digest } from '../../core/canonical/canonical.ts';
import type { Fact, Violation } from '../../core/invariants/facts.ts';
import { checkInvariants } from '../../core/invariants/watch.ts';
import { recordsByTime } from '../support/journal-records.ts';
import { EngineStage, namespace, partitions } from '../support/engine-stage.ts';
import { until } from '../support/until.ts';

let stage: EngineStage;
let trial: Trial;

beforeEach(async () => {
  stage = await EngineStage.start();
  trial = new Trial(await stage.agent('clerk'));
  await stage.workflow('visit', visit);
});
afterEach(async () => {
  await stage.stop();
});

/** Needs the clerk, and ends at once. */
const visit: WorkflowSpec = {
  input: { type: 'object' },
  start: 'look',
  states: {
    look: { type: 'decision' },
    work: {
      type: 'task',
      agent: 'clerk',
      goal: 'Work.',
      timeout: '60s',
      backup: 'none',
      exits: { error: 'done', timeout: 'done' },
    },
    done: { type: 'terminal', outcome: 'success' },
  },
  transitions: [
    { from: 'look', to: 'done' },
    { from: 'work', to: 'done' },
  ],
};

/** Needs nobody. */
const other: WorkflowSpec = {
  input: { type: 'object' },
  start: 'look',
  states: { look: { type: 'decision' }, done: { type: 'terminal', outcome: 'success' } },
  transitions: [{ from: 'look', to: 'done' }],
};

const uid = 'rollout-1';

/** What an operator does of a rollout: it routes, and sees what every partition goes by. */
class Trial {
  readonly facts: Fact[] = [];
  readonly #stable: ResolvedBundle;
  readonly #canary: ResolvedBundle;

  constructor(stable: ResolvedBundle) {
    this.#stable = stable;
    const content = { ...stable, name: 'clerk-2', digest: undefined };
    this.#canary = { ...stable, name: 'clerk-2', digest: digest(content) };
  }

  get canary(): string {
    return this.#canary.digest;
  }

  /** Resolves with the revision of the catalog. Without a weight the rollout is over. */
  async route(weightBps?: number): Promise<number> {
    const catalog = await stage.control.bucket<unknown>(buckets.catalog);
    await catalog.put(catalogKeys.bundle(this.canary), this.#canary);
    if (weightBps !== undefined) this.#note(weightBps, false);
    return catalog.put(catalogKeys.agent(namespace, 'clerk'), this.#snapshot(weightBps));
  }

  async observed(revision: number, weightBps?: number): Promise<void> {
    const versions = await stage.control.bucket<VersionReport>(buckets.versions);
    await until(
      `every partition goes by revision ${revision}`,
      async () => {
        const told = await Promise.all([...all].map((partition) => versions.get(`p${partition}`)));
        return told.every((entry) => (entry?.value.catalog ?? 0) >= revision) ? true : undefined;
      },
      40_000,
    );
    if (weightBps !== undefined) this.#note(weightBps, true);
  }

  /** The server's clock tells less than milliseconds. */
  #note(weightBps: number, observed: boolean): void {
    const at = Date.now() + (observed ? 1 : 0);
    this.facts.push({ kind: 'Routed', at, rollout: uid, canary: this.canary, weightBps, observed });
  }

  #snapshot(weightBps?: number): AgentSnapshot {
    const { name: bundle, digest: bundleDigest } = this.#stable;
    const offer: RolloutOffer = {
      name: uid,
      uid,
      salt: uid,
      assignBy: 'input.key',
      weightBps: weightBps ?? 0,
      canary: { bundle: this.#canary.name, digest: this.canary },
    };
    return {
      namespace,
      name: 'clerk',
      role: 'Works.',
      generation: 1,
      permissions: [],
      bundle,
      bundleDigest,
      ...(weightBps === undefined ? {} : { rollout: offer }),
    };
  }
}

const all = Array.from({ length: partitions }, (_, partition) => partition);

/** Every third key starts two runs at the same moment. */
async function start(from: number, to: number): Promise<readonly string[]> {
  const runs: string[] = [];
  const keys = Array.from({ length: to - from }, (_, at) => from + at);
  const next = async (): Promise<void> => {
    for (let key = keys.shift(); key !== undefined; key = keys.shift()) {
      const twice = key % 3 === 0 ? ['a', 'b'] : ['a'];
      runs.push(...(await Promise.all(twice.map((one) => stage.begin('visit', { key }, { key: `${key}-${one}` })))));
    }
  };
  await Promise.all(Array.from({ length: 16 }, next));
  return runs;
}

async function violations(): Promise<readonly Violation[]> {
  const facts = [...(await recordsByTime(stage.control, partitions)), ...trial.facts];
  return checkInvariants(
    facts.toSorted((left, right) => left.at - right.at),
    {},
    false,
  );
}

interface Assigned {
  readonly run: string;
  readonly arm?: string | undefined;
  readonly unit?: string | undefined;
}

async function assignedIn(runs: readonly string[]): Promise<readonly Assigned[]> {
  const wanted = new Set(runs);
  const found = (await recordsByTime(stage.control, partitions)).flatMap(({ record }) =>
    record.runs.flatMap(({ run, events: [event] }) => {
      if (event?.type !== 'RunStarted' || !wanted.has(run)) return [];
      const { arm, unit } = event.assignments?.['clerk'] ?? {};
      expect(event.pins['clerk'] === trial.canary).toBe(arm === 'canary');
      return [{ run, arm, unit }];
    }),
  );
  expect(found).toHaveLength(wanted.size);
  return found;
}

async function told(max = 100): Promise<{ outcomes: Map<string, RunOutcome>; keys: OutcomesReply['keys'][] }> {
  const outcomes = new Map<string, RunOutcome>();
  const keys: OutcomesReply['keys'][] = [];
  for (const partition of all) {
    let [after, more] = [0, true];
    while (more) {
      const part = await outcomesOf(partition, after, max);
      for (const outcome of part.outcomes) outcomes.set(outcome.run, outcome);
      if (!part.more) keys.push(part.keys);
      [after, more] = [part.cursor, part.more];
    }
  }
  return { outcomes, keys };
}

const outcomesOf = (partition: number, after: number, max: number): Promise<OutcomesReply> =>
  until(
    `partition ${partition} tells outcomes`,
    async () => {
      const request = { rollout: uid, after, max };
      const reply = await stage.control.ask<EngineReply<OutcomesReply>>(
        engineSubject(partition, 'outcomes'),
        request,
        3_000,
      );
      return reply.ok ? reply.result : undefined;
    },
    40_000,
  );

test(
  '5, 20, 50 %, two engines, a kill -9, an abort: the share, the keys and the end of it hold exactly',
  { timeout: 300_000 },
  async () => {
    const engines = [stage.engineProcess('engine-a'), stage.engineProcess('engine-b')];
    await trial.observed(await trial.route(500));
    const runs = [...(await start(0, 250))];
    await trial.observed(await trial.route(2_000));
    const [more] = await Promise.all([
      start(250, 500),
      until('some have started', async () => ((await told()).outcomes.size > 340 ? true : undefined), 40_000).then(() =>
        engines[0]?.kill(),
      ),
    ]);
    stage.engineProcess('engine-c');
    runs.push(...more);
    await trial.observed(await trial.route(5_000));
    runs.push(...(await start(500, 750)));

    const assigned = await assignedIn(runs);
    const arms = new Map(assigned.map(({ unit, arm }) => [unit, arm]));
    expect(arms.size).toBe(750);
    expect(assigned.every(({ unit, arm }) => arms.get(unit) === arm)).toBe(true);
    const canaries = [...arms.values()].filter((arm) => arm === 'canary').length;
    expect(canaries).toBeLessThanOrEqual(250 * 0.05 + 250 * 0.2 + 250 * 0.5);
    expect(canaries).toBeGreaterThan(140);

    const { outcomes, keys } = await told();
    expect([...outcomes.keys()].toSorted()).toEqual(runs.toSorted());
    expect([...outcomes.values()].every(({ outcome, agent }) => outcome === 'success' && agent === 'clerk')).toBe(true);
    expect(keys.reduce((sum, { stable, canary }) => sum + stable + canary, 0)).toBe(750);
    expect(keys.reduce((sum, { canary }) => sum + canary, 0)).toBe(canaries);

    const abort = await trial.route(0);
    const [during] = await Promise.all([start(750, 850), trial.observed(abort, 0)]);
    const afterwards = await begunAgain();
    expect((await assignedIn([...during, ...afterwards])).length).toBe(during.length + afterwards.length);
    expect((await assignedIn(afterwards)).every(({ arm }) => arm === undefined)).toBe(true);
    expect(await violations()).toEqual([]);
  },
);

/** New runs of keys that had their arms. */
const begunAgain = (): Promise<readonly string[]> =>
  Promise.all(Array.from({ length: 60 }, (_, key) => stage.begin('visit', { key }, { key: `${key}-again` })));

test('how runs fared is known as long as their rollout is under way, over checkpoints, the time of closed runs, and a kill -9', async () => {
  const forgetful = { SIGNALBOX_CHECKPOINT_RECORDS: '2', SIGNALBOX_CLOSED_MAX: '0' };
  const first = stage.engineProcess('engine-a', forgetful);
  await trial.observed(await trial.route(5_000));
  const runs = await start(0, 40);
  await stage.workflow('other', other);
  const others = await Promise.all(all.map((at) => stage.begin('other', {}, { key: `other-${at}` })));
  await until('closed runs without a rollout are forgotten', () => forgotten(others), 60_000);
  const before = await told(7);
  expect([...before.outcomes.keys()].toSorted()).toEqual(runs.toSorted());
  await first.kill();
  stage.engineProcess('engine-b', forgetful);
  const after = await told(7);
  expect(Object.fromEntries(after.outcomes)).toEqual(Object.fromEntries(before.outcomes));
  expect(after.keys).toEqual(before.keys);
  await trial.route();
  await until('they are forgotten, too, when it is over', () => forgotten(runs), 60_000);
  expect((await told()).outcomes.size).toBe(0);
});

/** Each time a run more, so that there is something to make a checkpoint of. */
async function forgotten(runs: readonly string[]): Promise<true | undefined> {
  await Promise.all(all.map((at) => stage.begin('other', {}, { key: `${Date.now()}-${at}` })));
  const replies = await Promise.all(runs.map((run) => stage.ask(run, 'show', { run })));
  return replies.every((reply) => !reply.ok && reply.code === 'NOT_FOUND') ? true : undefined;
}
