import { describe, expect, test } from 'vitest';
import type { StartRequest } from '../../api/messages/asks.ts';
import type { AgentSnapshot, ResolvedBundle, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { Assignment, RolloutOffer } from '../../api/messages/rollout.ts';
import type { Bus, Entry } from '../../ports/bus.ts';
import { Assigner, type LeftEntry, type UnitEntry } from './assigner.ts';

type Value = UnitEntry | LeftEntry;

/** A bucket that answers a little later, so that others are faster; an answer may be lost. */
class Shared {
  readonly entries = new Map<string, Entry<Value>>();
  asked = 0;
  /** The next update is stored, and its answer lost. */
  loseAnswer = false;
  #revision = 0;

  get bus(): Bus {
    return { bucket: () => Promise.resolve(this.#bucket()) } as unknown as Bus;
  }

  #bucket() {
    const later = async (): Promise<void> => {
      this.asked += 1;
      for (let turns = this.asked % 5; turns >= 0; turns -= 1) await Promise.resolve();
    };
    return {
      get: async (key: string) => {
        await later();
        return this.entries.get(key);
      },
      update: async (key: string, value: Value, expected: number) => {
        await later();
        if ((this.entries.get(key)?.revision ?? 0) !== expected) return undefined;
        this.#revision += 1;
        this.entries.set(key, { key, value, revision: this.#revision });
        if (!this.loseAnswer) return this.#revision;
        this.loseAnswer = false;
        throw new Error('no answer');
      },
    };
  }
}

const offer: RolloutOffer = {
  name: 'clerk-1',
  uid: 'u1',
  salt: 's1',
  assignBy: 'input.key',
  weightBps: 5_000,
  canary: { bundle: 'b2', digest: 'sha256:new' },
};

class Engines {
  readonly shared = new Shared();
  rollout: RolloutOffer | undefined = offer;
  known = true;
  readonly #catalog = {
    workflow: () => ({ agents: ['clerk'] }) as unknown as ResolvedWorkflow,
    agent: (): AgentSnapshot =>
      ({
        name: 'clerk',
        bundleDigest: 'sha256:old',
        ...(this.rollout === undefined ? {} : { rollout: this.rollout }),
      }) as AgentSnapshot,
    bundle: () => (this.known ? ({} as ResolvedBundle) : undefined),
  };

  begin(): Assigner {
    return new Assigner(this.shared.bus, this.#catalog);
  }

  /** Starts a run, which becomes a fact unless `dies`. */
  async start(engine: Assigner, run: string, key: string | number, dies = false): Promise<Assignment | undefined> {
    const assigned = await engine.assign({
      run,
      namespace: 'ns',
      workflow: 'w',
      input: { key },
    } as unknown as StartRequest);
    const assignment = assigned?.byAgent.get('clerk');
    if (assignment !== undefined && !dies) assigned?.started({ clerk: assignment });
    return assignment;
  }

  get leftBps(): number {
    return (this.shared.entries.get('u1')?.value as LeftEntry | undefined)?.leftBps ?? 0;
  }
}

describe('without a rollout that gives out the canary nothing is asked', () => {
  test.each<[string, (engines: Engines) => void]>([
    ['no rollout', (engines) => (engines.rollout = undefined)],
    ['weight 0', (engines) => (engines.rollout = { ...offer, weightBps: 0 })],
    ['its bundle is not known here', (engines) => (engines.known = false)],
  ])('%s', async (_, set) => {
    const engines = new Engines();
    set(engines);
    expect(await engines.start(engines.begin(), 'R1', 'k')).toBeUndefined();
    expect(engines.shared.asked).toBe(0);
  });

  test('a branch has what its parent has', async () => {
    const engines = new Engines();
    const request = { run: 'R1', namespace: 'ns', workflow: 'w', input: { key: 'k' }, branch: {} };
    expect(await engines.begin().assign(request as unknown as StartRequest)).toBeUndefined();
  });

  test('a key that may not have it is stable, and nobody is asked', async () => {
    const engines = new Engines();
    engines.rollout = { ...offer, include: 'false' };
    expect(await engines.start(engines.begin(), 'R1', 'k')).toMatchObject({ arm: 'stable', excluded: true });
    expect(engines.shared.asked).toBe(0);
  });
});

test('runs of one key that start at the same moment on two engines have one arm, and one of them is the first', async () => {
  const engines = new Engines();
  const [one, other] = [engines.begin(), engines.begin()];
  for (let key = 0; key < 200; key += 1) {
    const both = await Promise.all([
      engines.start(one, `A${key}`, key),
      engines.start(other, `B${key}`, key),
      engines.start(one, `C${key}`, key),
    ]);
    expect(new Set(both.map((assigned) => `${assigned?.arm} ${assigned?.unit}`)).size).toBe(1);
    expect(both.filter((assigned) => assigned?.first === true)).toHaveLength(1);
  }
  const arms = [...engines.shared.entries.values()].flatMap(({ value }) => ('arm' in value ? [value.arm] : []));
  expect(arms).toHaveLength(200);
  const canaries = arms.filter((arm) => arm === 'canary').length;
  expect(canaries).toBeLessThanOrEqual(100);
  expect(canaries).toBeGreaterThan(88);
});

test('I7 over all that became facts, whoever dies and whatever answer is lost', async () => {
  for (const weightBps of [500, 2_000, 5_000, 10_000]) {
    const engines = new Engines();
    engines.rollout = { ...offer, weightBps };
    let factsBps = 0;
    let some = [engines.begin(), engines.begin()];
    for (let key = 0; key < 300; key += 1) {
      if (key % 37 === 36) some = [engines.begin(), some[0] ?? engines.begin()];
      engines.shared.loseAnswer = key % 11 === 3;
      const engine = some[key % 2] ?? engines.begin();
      const dies = key % 7 === 5;
      const assignment = await engines.start(engine, `R${key}`, key, dies).catch(() => undefined);
      if (assignment !== undefined && !dies) factsBps += weightBps - (assignment.arm === 'canary' ? 10_000 : 0);
      expect(factsBps).toBeGreaterThanOrEqual(0);
    }
    expect(engines.leftBps).toBeGreaterThanOrEqual(0);
  }
});

test('who died between entry and commit is found: the same run is still the first, another one is not', async () => {
  const engines = new Engines();
  const before = await engines.start(engines.begin(), 'R1', 'k', true);
  expect(await engines.start(engines.begin(), 'R2', 'k')).toEqual({
    rollout: 'u1',
    arm: before?.arm,
    unit: before?.unit,
    weightBps: 5_000,
  });
  expect(await engines.start(engines.begin(), 'R1', 'k')).toEqual(before);
});

test('a key that is known keeps its arm and the weight of its assignment, and asks nobody twice', async () => {
  const engines = new Engines();
  const engine = engines.begin();
  const first = await engines.start(engine, 'R1', 'k');
  engines.rollout = { ...offer, weightBps: 10_000 };
  const { asked } = engines.shared;
  expect(await engines.start(engine, 'R2', 'k')).toMatchObject({ arm: first?.arm, weightBps: 5_000 });
  expect(engines.shared.asked).toBe(asked);
});

test('each run is its own key where no expression says otherwise: no entry is kept of it', async () => {
  const engines = new Engines();
  const { assignBy: _assignBy, ...own } = offer;
  engines.rollout = own;
  const engine = engines.begin();
  const arms = [];
  for (let run = 0; run < 40; run += 1) arms.push((await engines.start(engine, `R${run}`, 'k'))?.arm);
  expect(new Set(arms)).toEqual(new Set(['stable', 'canary']));
  expect([...engines.shared.entries.keys()]).toEqual(['u1']);
});

test('what a run was not started with counts for nothing', async () => {
  const engines = new Engines();
  const engine = engines.begin();
  for (let key = 0; key < 20; key += 1) {
    const request = { run: `R${key}`, namespace: 'ns', workflow: 'w', input: { key } } as unknown as StartRequest;
    const assigned = await engine.assign(request);
    expect(assigned?.byAgent.get('clerk')?.arm).toBe('stable');
    assigned?.started(undefined);
  }
});
