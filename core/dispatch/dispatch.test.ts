import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { priorities } from '../../api/messages/priority.ts';
import { taskSubject } from '../../api/messages/subjects.ts';
import {
  countOf,
  type DispatchCommand,
  DispatchCore,
  overdueMs,
  phases,
  probes,
  shallow,
  silentMs,
  untakenMs,
  type Wanted,
} from './dispatch.ts';

const wanted = (run: string, more: Partial<Wanted> = {}): Wanted => ({
  run,
  namespace: 'clinic',
  workflow: 'calls',
  activity: 'work.1',
  attempt: 1,
  agent: 'intake',
  bundleDigest: `sha256:${'0'.repeat(64)}`,
  notBefore: 0,
  priority: 'normal',
  ...more,
});
const published = (commands: readonly DispatchCommand[]): string[] =>
  commands.filter(({ kind }) => kind === 'Publish').map(({ run }) => run);

describe('a task', () => {
  test('is published once, and again when nobody takes it, later and later', () => {
    const core = new DispatchCore();
    core.want(wanted('a'), 0);
    core.want(wanted('a'), 1);
    expect(published(core.tick(0))).toEqual(['a']);
    expect(core.tick(untakenMs - 1)).toEqual([]);
    expect(published(core.tick(untakenMs))).toEqual(['a']);
    expect(core.tick(3 * untakenMs - 1)).toEqual([]);
    expect(published(core.tick(3 * untakenMs))).toEqual(['a']);
  });

  test('waits for its time and for the grace after a takeover', () => {
    const core = new DispatchCore();
    core.want(wanted('later', { notBefore: 500 }), 0);
    core.want(wanted('grace'), 0, 200);
    expect(core.nextAt()).toBeLessThanOrEqual(200);
    expect(core.tick(199)).toEqual([]);
    expect(published(core.tick(200))).toEqual(['grace']);
    expect(published(core.tick(500))).toEqual(['later']);
  });

  test('is with one worker as long as that one is heard of, then with another', () => {
    const core = new DispatchCore();
    core.want(wanted('a'), 0);
    core.tick(0);
    expect(core.claim('a', 'one', 0)).toBe(true);
    expect(core.claim('a', 'two', silentMs - 1)).toBe(false);
    expect(core.claim('a', 'one', silentMs - 1)).toBe(true);
    expect(core.tick(silentMs)).toEqual([]);
    const at = 2 * silentMs - 1;
    expect(core.tick(at - 1)).toEqual([]);
    expect(core.tick(at).map(({ kind }) => kind)).toEqual(['Silent', 'Publish']);
    expect(core.claim('a', 'two', at)).toBe(true);
    expect(core.claim('a', 'one', at)).toBe(false);
  });

  test('goes to another at once when its worker is lost, before what had not begun', () => {
    const core = new DispatchCore();
    core.want(wanted('a'), 0);
    core.tick(0);
    core.claim('a', 'one', 0);
    for (let number = 0; number < shallow + 5; number += 1) core.want(wanted(`b${number}`), 0);
    core.tick(1);
    core.workerLost('one');
    expect(published(core.tick(2))).toEqual([]);
    core.claim('b0', 'two', 2);
    expect(published(core.tick(2))).toEqual(['a']);
  });

  test('that could not be published is tried again, unless it was meanwhile', () => {
    const core = new DispatchCore();
    core.want(wanted('a'), 0);
    core.tick(0);
    core.notPublished('a', 1, 10);
    expect(published(core.tick(10))).toEqual(['a']);
    core.notPublished('a', 1, 20);
    expect(core.tick(20)).toEqual([]);
  });

  test('of another attempt replaces the first; a forgotten one is not published', () => {
    const core = new DispatchCore();
    core.want(wanted('a', { notBefore: 5 }), 0);
    core.want(wanted('a', { attempt: 2, notBefore: 9 }), 0);
    core.want(wanted('b', { notBefore: 5 }), 0);
    core.forget('b');
    expect(core.tick(5)).toEqual([]);
    expect(core.tick(9)).toMatchObject([{ run: 'a', attempt: 2 }]);
  });
});

describe('a slot that asks for more', () => {
  const subject = taskSubject('clinic', 'intake', wanted('a').bundleDigest);
  const take = (core: DispatchCore, now = 0): string | undefined => core.take(subject, 'one', now)?.run;

  test('gets what is next in the order of the ready list, claimed; then nothing', () => {
    const core = new DispatchCore();
    for (const run of ['a', 'b', 'c']) core.want(wanted(run), 0);
    core.want(wanted('urgent', { priority: 'high', workflow: 'alarms' }), 0);
    core.want(wanted('later', { notBefore: 500 }), 0);
    core.want(wanted('other', { agent: 'billing' }), 0);
    expect([take(core), take(core), take(core), take(core), take(core)]).toEqual(['urgent', 'a', 'b', 'c', undefined]);
    expect(published(core.tick(0))).toEqual(['other']);
    expect(core.claim('a', 'two', silentMs - 1)).toBe(false);
    expect(countOf(core.counts(), 'Claimed')).toBe(4);
  });

  test('gets what has waited in the stream for long before what has not', () => {
    const core = new DispatchCore();
    core.want(wanted('a'), 0);
    core.tick(0);
    core.want(wanted('b'), overdueMs - 1);
    expect(take(core, overdueMs - 1)).toBe('b');
    expect(take(core, overdueMs - 1)).toBeUndefined();
    expect(take(core, overdueMs)).toBe('a');
    expect(core.claim('a', 'two', overdueMs)).toBe(false);
  });

  test('may leave it: then it is the next one', () => {
    const core = new DispatchCore();
    for (const run of ['a', 'b']) core.want(wanted(run), 0);
    expect(take(core)).toBe('a');
    core.release('a', 'two');
    expect(take(core)).toBe('b');
    core.release('a', 'one');
    expect(take(core)).toBe('a');
  });

  test('that dies is missed like any other', () => {
    const core = new DispatchCore();
    core.want(wanted('a'), 0);
    take(core);
    expect(core.tick(silentMs - 1)).toEqual([]);
    expect(core.tick(silentMs).map(({ kind }) => kind)).toEqual(['Silent', 'Publish']);
  });
});

test('where workers say how many slots are free, twice so many tasks wait in the stream', () => {
  const core = new DispatchCore();
  for (let number = 0; number < 100; number += 1) core.want(wanted(`r${number}`), 0);
  core.tick(0);
  for (let number = 0; number < shallow; number += 1) core.claim(`r${number}`, 'one', 0);
  core.hasFree('r0', 'one', 0);
  expect(published(core.tick(0))).toHaveLength(probes);
  core.hasFree('r0', 'two', 3);
  expect(published(core.tick(0))).toHaveLength(2 * 3 - probes);
  core.workerLost('two');
  core.claim('r16', 'one', 0);
  expect(published(core.tick(0))).toHaveLength(0);
});

test('the stream stays shallow: sixteen untaken, or twice as many as are at work', () => {
  const core = new DispatchCore();
  for (let number = 0; number < 100; number += 1) core.want(wanted(`r${number}`), 0);
  expect(published(core.tick(0))).toHaveLength(shallow);
  for (let number = 0; number < 12; number += 1) core.claim(`r${number}`, 'one', 0);
  expect(published(core.tick(0))).toHaveLength(2 * 12 - (shallow - 12));
});

test('a high priority goes before what waits already', () => {
  const core = new DispatchCore();
  for (let number = 0; number < 100; number += 1) core.want(wanted(`r${number}`), 0);
  core.tick(0);
  core.want(wanted('urgent', { priority: 'high', workflow: 'alarms' }), 0);
  const later: string[] = [];
  for (let number = 0; later.length < 5; number += 1) {
    core.forget(`r${number}`);
    later.push(...published(core.tick(0)));
  }
  expect(later).toContain('urgent');
});

const step = fc.oneof(
  fc.record({
    kind: fc.constant('want' as const),
    run: fc.nat(40),
    attempt: fc.integer({ min: 1, max: 3 }),
    notBefore: fc.nat(20_000),
    agent: fc.constantFrom('intake', 'billing'),
    priority: fc.constantFrom(...priorities),
    graceMs: fc.constantFrom(0, 2_000),
  }),
  fc.record({ kind: fc.constant('claim' as const), run: fc.nat(40), worker: fc.constantFrom('one', 'two') }),
  fc.record({
    kind: fc.constant('take' as const),
    agent: fc.constantFrom('intake', 'billing'),
    worker: fc.constantFrom('one', 'two'),
  }),
  fc.record({ kind: fc.constant('free' as const), run: fc.nat(40), slots: fc.nat(9) }),
  fc.record({ kind: fc.constant('forget' as const), run: fc.nat(40) }),
  fc.record({ kind: fc.constant('lost' as const), worker: fc.constantFrom('one', 'two') }),
  fc.record({ kind: fc.constant('failed' as const), run: fc.nat(40), publishes: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('republish' as const) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(9_000) }),
);

test('any steps: one worker at a time, the stream shallow, counts exact, and every task reaches the stream in the end', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const core = new DispatchCore();
      const alive = new Map<string, string>();
      const heard = new Map<string, { worker: string; at: number }>();
      let now = 0;
      const look = (): void => {
        for (const command of core.tick(now)) {
          expect(alive.get(command.run)).toBe(command.activity);
          const claim = heard.get(command.run);
          if (command.kind === 'Publish') expect(claim === undefined || now - claim.at >= silentMs).toBe(true);
        }
      };
      for (const next of steps) {
        const run = 'run' in next ? `r${next.run}` : '';
        if (next.kind === 'want') {
          const { attempt, notBefore, agent, priority } = next;
          const activity = `${agent}.${attempt}.${priority}`;
          if (alive.get(run) !== activity) heard.delete(run);
          alive.set(run, activity);
          core.want(wanted(run, { attempt, notBefore, agent, priority, activity }), now, next.graceMs);
        } else if (next.kind === 'claim' && alive.has(run)) {
          const other = heard.get(run);
          const mayNot = other !== undefined && other.worker !== next.worker && now - other.at < silentMs;
          expect(core.claim(run, next.worker, now)).toBe(!mayNot);
          if (!mayNot) heard.set(run, { worker: next.worker, at: now });
        } else if (next.kind === 'take') {
          const of = taskSubject('clinic', next.agent, wanted('').bundleDigest);
          const taken = core.take(of, next.worker, now);
          if (taken !== undefined) {
            const other = heard.get(taken.run);
            expect(alive.get(taken.run)).toBe(taken.activity);
            expect(other === undefined || now - other.at >= silentMs).toBe(true);
            expect(taken.notBefore <= now && taken.agent === next.agent).toBe(true);
            heard.set(taken.run, { worker: next.worker, at: now });
          }
        } else if (next.kind === 'free') core.hasFree(run, 'one', next.slots);
        else if (next.kind === 'forget') {
          core.forget(run);
          alive.delete(run);
          heard.delete(run);
        } else if (next.kind === 'lost') {
          core.workerLost(next.worker);
          for (const [of, { worker }] of heard) if (worker === next.worker) heard.delete(of);
        } else if (next.kind === 'failed') core.notPublished(run, next.publishes, now);
        else if (next.kind === 'republish') core.republish();
        else if (next.kind === 'pass') now += next.ms;
        look();
        expect(core.size).toBe(alive.size);
        expect(countOf(core.counts(), ...phases)).toBe(alive.size);
      }
      // Nobody is heard of any more, and what is published is taken and ends: all of them come.
      const seen = new Set<string>();
      for (let rounds = 0; seen.size < alive.size && rounds < 500; rounds += 1) {
        now = Math.max(now, core.nextAt() ?? now);
        for (const command of core.tick(now)) {
          if (command.kind !== 'Publish') continue;
          seen.add(command.run);
          core.forget(command.run);
        }
      }
      // Those in the stream were published before.
      expect(seen.size + countOf(core.counts(), 'Published')).toBe(alive.size);
    }),
    { numRuns: 300 },
  );
});
