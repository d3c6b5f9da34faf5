import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { Json } from '../../api/messages/history.ts';
import type { Assignment, RolloutOffer } from '../../api/messages/rollout.ts';
import { armOf, draw, keyed, pinOf, place } from './assign.ts';

/** Worked out by another program from the layout that the function's comment tells. */
describe('unit and point: golden vectors, never to change', () => {
  test.each<[string, Json, string, number]>([
    ['s1', 'patient-7', '34868a942e85a8cbc3b1f3a77e264be9', 3547857497],
    ['s2', 'patient-7', '9716344d35e678f3d837a92acd85426b', 1973070449],
    ['s1', 'Zo\u00eb 😀', '33673d5b76b1fcf01bb80d1173245556', 3973601452],
    ['s1', 'Zoe\u0308 😀', '170dfdeaf3aa559d12f2cdd0c1aab321', 1812697643],
    ['s1', 7, 'ab0795d94235ef1a8504eb8e5ecda876', 4140342200],
    ['s1', 7.0, 'ab0795d94235ef1a8504eb8e5ecda876', 4140342200],
    ['s1', '7', '6bf9199b380acd309e8ee9ea7204f0ec', 3927807460],
    ['s1', 0.1, '326af4127cf14ecc8da2d98a35fbac8a', 2697070979],
    ['s1', 1e21, '423cdade7de5cba6a67d1d8183b5ed74', 865829879],
    ['s1', { a: 1, b: [true, null] }, '54d46f3008f07aaeb710ff388ae84391', 1685531600],
    ['s1', { b: [true, null], a: 1 }, '54d46f3008f07aaeb710ff388ae84391', 1685531600],
    ['s1', true, '4351742bfbd113cca506f6b1c4e5b5c8', 2308120421],
  ])('%s %j', (salt, key, unit, point) => {
    expect(keyed(salt, key)).toEqual({ unit, point });
  });

  test.each([
    ['patient-7', 8_260],
    ['Zo\u00eb 😀', 9_251],
    ['Zoe\u0308 😀', 4_220],
    ['7', 9_145],
  ])('%s has the canary above %i basis points', (key, last) => {
    const { point } = keyed('s1', key);
    expect([0, last, last + 1, 10_000].map((weight) => armOf({ point }, weight))).toEqual([
      'stable',
      'stable',
      'canary',
      'canary',
    ]);
  });

  test('A2: whoever has the canary at a weight has it at each greater one', () => {
    const point = fc.nat({ max: 2 ** 32 - 1 });
    const weight = fc.nat({ max: 10_000 });
    fc.assert(
      fc.property(point, weight, weight, (at, one, other) => {
        const [low, high] = [Math.min(one, other), Math.max(one, other)];
        return armOf({ point: at }, low) === 'stable' || armOf({ point: at }, high) === 'canary';
      }),
    );
  });
});

const offer = (more: Partial<RolloutOffer> = {}): RolloutOffer => ({
  name: 'clerk-abc-1',
  uid: 'u1',
  salt: 's1',
  weightBps: 500,
  canary: { bundle: 'b2', digest: 'sha256:new' },
  ...more,
});

describe('who may have the canary', () => {
  const input = { patient: 'patient-7', age: 70, tier: 'gold' };
  test.each<[string, Partial<RolloutOffer>, Json, boolean]>([
    ['each run is its own key', {}, 'Run1', false],
    ['the key is what the expression says', { assignBy: 'input.patient' }, 'patient-7', false],
    ['a key may be a list', { assignBy: '[input.patient, input.age]' }, ['patient-7', 70], false],
    ['no such member', { assignBy: 'input.name' }, 'Run1', true],
    ['no JSON', { assignBy: 'bytes(input.patient)' }, 'Run1', true],
    ['null is no key', { assignBy: 'null' }, 'Run1', true],
    ['included', { include: 'input.age > 60' }, 'Run1', false],
    ['not included', { include: 'input.age > 80' }, 'Run1', true],
    ['an error of include', { include: 'input.weight > 80' }, 'Run1', true],
    ['excluded', { assignBy: 'input.patient', exclude: "input.tier == 'gold'" }, 'patient-7', true],
    ['not excluded', { exclude: "input.tier == 'silver'" }, 'Run1', false],
    ['an error of exclude', { exclude: 'input.weight > 80' }, 'Run1', true],
    ['exclude is no yes or no', { exclude: 'input.age' }, 'Run1', true],
  ])('%s', (_, more, key, excluded) => {
    expect(place(offer(more), 'Run1', input)).toEqual({ ...keyed('s1', key), excluded });
  });
});

/** Keys as several engines draw them: commits come later, in any order, and what is in memory may be lost. */
class Played {
  leftBps = 0;
  /** Of the keys that are facts: their weights, less one for each that has the canary. */
  factsBps = 0;
  canary = 0;
  keys = 0;
  readonly #underWay: { weightBps: number; arm: 'stable' | 'canary' }[] = [];

  assign(weightBps: number, point: number): 'stable' | 'canary' {
    const { arm, leftBps } = draw(this.leftBps, weightBps, { point });
    this.leftBps = leftBps;
    this.keys += 1;
    this.canary += arm === 'canary' ? 1 : 0;
    this.#underWay.push({ weightBps, arm });
    return arm;
  }

  /** `forgotten`: the engine died before it could say so. */
  commit(at: number, forgotten = false): void {
    const [key] = this.#underWay.splice(at % Math.max(1, this.#underWay.length), 1);
    if (key === undefined) return;
    this.factsBps += key.weightBps - (key.arm === 'canary' ? 10_000 : 0);
    if (key.arm === 'stable' && !forgotten) this.leftBps += key.weightBps;
  }

  lose(at: number): void {
    this.#underWay.splice(at % Math.max(1, this.#underWay.length), 1);
  }
}

/** Points without end, quicker than hashes of keys; the same in each run of the test. */
function pointsFrom(seed: number): () => number {
  let at = seed >>> 0;
  return () => {
    at = (at + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(at ^ (at >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

describe('A3: never more than the weight, for any prefix', () => {
  const weight = fc.constantFrom(0, 1, 100, 500, 2_000, 5_000, 9_999, 10_000);
  const act = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ act: fc.constant('assign' as const), weight, at: fc.nat({ max: 2 ** 32 - 1 }) }),
    },
    { weight: 6, arbitrary: fc.record({ act: fc.constant('commit' as const), weight, at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('forget' as const), weight, at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('lose' as const), weight, at: fc.nat() }) },
  );
  test('whatever the weights, the order of commits and what is lost', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 300 }), (acts) => {
        const played = new Played();
        return acts.every(({ act: what, weight: weightBps, at }) => {
          if (what === 'assign') played.assign(weightBps, at);
          else if (what === 'lose') played.lose(at);
          else played.commit(at, what === 'forget');
          return played.factsBps >= 0;
        });
      }),
      { numRuns: 500 },
    );
  });

  test('the whole weight is given out at once: at 100 % every key has the canary, whatever is under way', () => {
    const played = new Played();
    const arms = Array.from({ length: 50 }, (_, key) => played.assign(10_000, keyed('s', key).point));
    expect(new Set(arms)).toEqual(new Set(['canary']));
  });

  test('at weight 0 nobody has it, whatever is left over', () => {
    expect(draw(1_000_000, 0, { point: 0 })).toEqual({ arm: 'stable', leftBps: 1_000_000 });
  });
});

describe('A4: close to the weight, from below', () => {
  /** Keys that are allowed and do not have the canary, in basis points. */
  const below = (seed: number, weights: readonly number[]): number => {
    const [played, point] = [new Played(), pointsFrom(seed * 1_000_003)];
    for (const weightBps of weights) {
      played.assign(weightBps, point());
      played.commit(0);
    }
    return played.factsBps;
  };
  const seeds = Array.from({ length: 100 }, (_, seed) => seed);
  const flat = (weightBps: number, keys = 1_000): readonly number[] => Array.from({ length: keys }, () => weightBps);
  test.each<[string, readonly number[]]>([
    ['5 %', flat(500)],
    ['20 %', flat(2_000)],
    ['50 %', flat(5_000)],
    ['5, then 20, then 50 %', [...flat(500, 300), ...flat(2_000, 300), ...flat(5_000, 400)]],
    ['50, then 1 %', [...flat(5_000, 200), ...flat(100, 800)]],
  ])('%s: never above, at most five keys below, two in the mean', (_, weights) => {
    const all = seeds.map((seed) => below(seed, weights));
    expect(Math.min(...all)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...all)).toBeLessThan(50_000);
    expect(all.reduce((sum, bps) => sum + bps, 0) / all.length).toBeLessThan(22_000);
  });

  test.each([500, 2_000, 5_000])('%i basis points: every place in the order has the same chance', (weightBps) => {
    const [first, last, runs] = [100, 120, 2_000];
    const canaries = Array.from({ length: last }, () => 0);
    for (let seed = 0; seed < runs; seed += 1) {
      const [played, point] = [new Played(), pointsFrom(seed * 1_000_003)];
      for (let key = 0; key < last; key += 1) {
        if (played.assign(weightBps, point()) === 'canary') canaries[key] = (canaries[key] ?? 0) + 1;
        played.commit(0);
      }
    }
    const expected = (runs * weightBps) / 10_000;
    for (const found of canaries.slice(first)) {
      expect(Math.abs(found - expected)).toBeLessThan(4.5 * Math.sqrt(expected));
    }
  });
});

describe('what a run is given of an agent', () => {
  const snapshot: AgentSnapshot = {
    namespace: 'ns',
    name: 'clerk',
    role: 'executor',
    generation: 1,
    permissions: [],
    bundle: 'b1',
    bundleDigest: 'sha256:old',
  };
  const assignment: Assignment = { rollout: 'u1', arm: 'canary', unit: 'u', weightBps: 500 };
  test.each<[string, RolloutOffer | undefined, Assignment | undefined, ReturnType<typeof pinOf>]>([
    ['no rollout', undefined, undefined, { digest: 'sha256:old' }],
    ['a rollout that is over meanwhile', undefined, assignment, { digest: 'sha256:old' }],
    ['the canary', offer(), assignment, { digest: 'sha256:new', assignment }],
    [
      'stable',
      offer(),
      { ...assignment, arm: 'stable' },
      { digest: 'sha256:old', assignment: { ...assignment, arm: 'stable' } },
    ],
    ['weight 0, also for who had it', offer({ weightBps: 0 }), assignment, { digest: 'sha256:old' }],
    ['another attempt meanwhile', offer({ uid: 'u2' }), assignment, 'Stale'],
    ['begun meanwhile', offer(), undefined, 'Stale'],
  ])('%s', (_, rollout, assigned, pin) => {
    expect(pinOf({ ...snapshot, ...(rollout === undefined ? {} : { rollout }) }, assigned)).toEqual(pin);
  });
});
