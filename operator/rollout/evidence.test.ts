import { beforeEach, describe, expect, test } from 'vitest';
import { SignalboxError } from '../../api/errors.ts';
import type { EvidenceRecord } from '../../api/messages/evidence.ts';
import type { OutcomesReply, OutcomesRequest, RunOutcome } from '../../api/messages/rollout.ts';
import { fold } from '../../core/rollout/evidence.ts';
import { judge } from '../../core/rollout/judge.ts';
import { startEvidence } from '../../core/rollout/metrics.ts';
import { release } from '../../test/support/rollout-scene.ts';
import type { RolloutObject } from '../catalog/objects.ts';
import { EvidenceKeeper } from './evidence.ts';

const begin = Date.parse('2026-11-25T12:00:00Z');
let now = begin;
let log: { records: EvidenceRecord[]; position: number };
let outcomes: RunOutcome[];
let isAway = false;
/** What was asked after. */
let asked: number[];

const source = () => ({
  log: {
    read: async () => ({ records: [...log.records], position: log.position }),
    append: async (_: string, records: readonly EvidenceRecord[], position: number) => {
      if (position !== log.position) return undefined;
      log = { records: [...log.records, ...records], position: position + 1 };
      return log.position;
    },
  },
  bus: {
    ask: async <T>(_: string, payload: unknown): Promise<T> => {
      if (isAway) throw new SignalboxError('BUS_UNREACHABLE', 'nobody serves it');
      const { after, max } = payload as OutcomesRequest;
      asked.push(after);
      const told = outcomes.slice(after, after + max);
      const keys = {
        stable: outcomes.filter(({ arm }) => arm === 'stable').length,
        canary: outcomes.filter(({ arm }) => arm === 'canary').length,
        excluded: 0,
      };
      const result: OutcomesReply = {
        ok: true,
        outcomes: told,
        cursor: after + told.length,
        more: after + told.length < outcomes.length,
        keys,
        catalog: 1,
      };
      return { ok: true, result } as T;
    },
  },
  clock: { now: () => now },
  partitions: 1,
});

const rollout = (status: RolloutObject['status'] = {}): RolloutObject => ({
  apiVersion: 'signalbox.dev/v1alpha1',
  kind: 'BundleRollout',
  metadata: { name: 'r', namespace: 'demo', uid: 'uid-1' },
  spec: {
    agent: 'receptionist',
    attempt: 1,
    ordinal: 1,
    to: { bundle: 'two', digest: 'sha256:b' },
    salt: 's',
    release: {
      ...release,
      metrics: [{ name: 'task-success', role: 'critical', of: 'taskSuccess', minUnits: 5, passMargin: '0.5' }],
    },
  },
  status: { phase: 'Progressing', weight: { desiredBps: 5_000, observedBps: 5_000 }, ...status },
});

const run = (index: number, arm: 'stable' | 'canary', outcome?: string): RunOutcome => ({
  rollout: 'uid-1',
  arm,
  unit: `unit-${index}`,
  first: true,
  weightBps: 5_000,
  run: `run-${index}`,
  agent: 'receptionist',
  assignedAt: begin + index,
  ...(outcome === undefined ? {} : { closedAt: begin + index + 1, outcome }),
  cancelledByUser: false,
  escalations: 0,
  violations: { critical: 0, minor: 0 },
  proposed: 0,
  rejected: 0,
  costMicros: 0,
  overBudget: false,
});
const both = (count: number, canary: string): RunOutcome[] =>
  Array.from({ length: count }, (_, index) =>
    index % 2 === 0 ? run(index, 'stable', 'success') : run(index, 'canary', canary),
  );
const startedRecord = () =>
  startEvidence(rollout().spec.release, { durationsMs: [], costsMicros: [] }, { rollout: 'uid-1', at: begin });
const later = (ms: number): number => (now += ms);

beforeEach(() => {
  now = begin;
  log = { records: [], position: 0 };
  outcomes = [];
  asked = [];
  isAway = false;
});

test('nobody is asked before anybody was offered the bundle, or when it is over', async () => {
  const keeper = new EvidenceKeeper(source());
  expect(await keeper.look({ ...rollout(), status: { phase: 'Provisioning' } })).toEqual({});
  expect(await keeper.look(rollout({ phase: 'RolledBack' }))).toEqual({});
  expect(await keeper.look(rollout({ phase: 'Aborting' }))).toEqual({});
  expect([asked, log.records]).toEqual([[], []]);
});

describe('verdicts', () => {
  test.each([
    ['success', 'Pass'],
    ['failed', 'Fail'],
  ])('a canary whose runs end in %s: %s; the log alone says the same', async (ending, verdict) => {
    const keeper = new EvidenceKeeper(source());
    await keeper.look(rollout());
    outcomes = both(200, ending);
    later(60_000);
    const { judgement } = await keeper.look(rollout());
    expect(judgement).toMatchObject({ verdict, units: 100 });
    expect(judge(fold(log.records), now)).toEqual(judgement);
  });
  test('what is under way is waited for', async () => {
    const keeper = new EvidenceKeeper(source());
    outcomes = [run(0, 'stable'), ...both(200, 'success').slice(1)];
    later(60_000);
    await keeper.look(rollout());
    expect((await keeper.look(rollout())).judgement).toMatchObject({ verdict: 'Inconclusive', units: 0 });
  });
  test('an engine that does not answer is no evidence: in the end an error, never a Pass', async () => {
    const keeper = new EvidenceKeeper(source());
    outcomes = both(200, 'success');
    later(60_000);
    await keeper.look(rollout());
    isAway = true;
    const seen = [];
    for (let look = 0; look < 4; look += 1) {
      later(5_000);
      seen.push((await keeper.look(rollout())).judgement?.verdict);
    }
    expect(seen).not.toContain('Pass');
    expect(seen.at(-1)).toBe('Error');
    isAway = false;
    later(5_000);
    expect((await keeper.look(rollout())).judgement?.verdict).toBe('Pass');
  });
});

describe('the log', () => {
  test('a log that takes nothing is an error in the end: nobody goes on without a judge', async () => {
    const whole = source();
    const keeper = new EvidenceKeeper({ ...whole, log: { ...whole.log, append: async () => undefined } });
    await whole.log.append('uid-1', [startedRecord()], 0);
    const seen = [];
    for (let look = 0; look < 4; look += 1) {
      later(5_000);
      outcomes = both(20 * (look + 1), 'success');
      seen.push((await keeper.look(rollout())).judgement?.cause);
    }
    expect(seen.slice(-2)).toEqual(['JudgeDown', 'JudgeDown']);
  });
  test('a log without a beginning is an error', async () => {
    log = { records: [{ type: 'SourceFailed', at: begin, message: 'x' }], position: 1 };
    const { judgement } = await new EvidenceKeeper(source()).look(rollout());
    expect(judgement).toMatchObject({
      verdict: 'Error',
      cause: 'JudgeDown',
      why: expect.stringContaining('no beginning'),
    });
  });
  test('while a partition has more to tell no unit counts: which is next is not known', async () => {
    outcomes = both(25_000, 'success');
    const keeper = new EvidenceKeeper(source());
    later(60_000);
    await keeper.look(rollout());
    expect(log.records.some((record) => record.type === 'UnitsMatured' && record.units.length > 0)).toBe(false);
    later(5_000);
    await keeper.look(rollout());
    expect(log.records.some((record) => record.type === 'UnitsMatured' && record.units.length > 0)).toBe(true);
  });
  test.each([
    ['read', { read: () => Promise.reject(new SignalboxError('BUS_UNREACHABLE', 'no connection')) }],
    ['appended to', { append: () => Promise.reject(new SignalboxError('OVERLOADED', 'it is full')) }],
  ])('cannot be %s: an error, that stands in the way of nobody who goes back', async (_, broken) => {
    const { log: whole, ...rest } = source();
    const keeper = new EvidenceKeeper({ ...rest, log: { ...whole, ...broken } });
    expect((await keeper.look(rollout())).judgement).toMatchObject({
      verdict: 'Error',
      cause: 'JudgeDown',
      kill: false,
    });
  });
  test('two operators write it once: who lost reads it again', async () => {
    const [one, other] = [new EvidenceKeeper(source()), new EvidenceKeeper(source())];
    await one.look(rollout());
    await other.look(rollout());
    outcomes = both(60, 'success');
    later(60_000);
    await one.look(rollout());
    expect(await other.look(rollout())).toEqual({});
    later(5_000);
    const { judgement } = await other.look(rollout());
    expect(judgement).toEqual(judge(fold(log.records), now));
    const units = log.records.flatMap((record) =>
      record.type === 'UnitsMatured' ? record.units.map(({ unit }) => unit) : [],
    );
    expect(new Set(units).size).toBe(units.length);
    expect(units).toHaveLength(60);
  });
  test('nothing new: a word from time to time', async () => {
    const keeper = new EvidenceKeeper(source());
    await keeper.look(rollout());
    const before = log.records.length;
    for (let look = 0; look < 20; look += 1) {
      later(5_000);
      await keeper.look(rollout());
    }
    expect(log.records.length).toBe(before);
    later(300_000);
    await keeper.look(rollout());
    expect(log.records.length).toBe(before + 1);
  });
  test('engines are not asked at every look, and from where they stopped', async () => {
    const keeper = new EvidenceKeeper(source());
    outcomes = both(60, 'success');
    await keeper.look(rollout());
    later(100);
    await keeper.look(rollout());
    expect(asked).toEqual([0]);
    later(5_000);
    await keeper.look(rollout());
    expect(asked).toEqual([0, 60]);
  });
  test('keys are not noted while the weight changes', async () => {
    const keeper = new EvidenceKeeper(source());
    outcomes = both(60, 'success');
    await keeper.look(rollout({ weight: { desiredBps: 5_000, observedBps: 500 } }));
    expect(log.records.some(({ type }) => type === 'KeysAssigned')).toBe(false);
    later(5_000);
    await keeper.look(rollout());
    expect(log.records).toContainEqual(
      expect.objectContaining({
        type: 'KeysAssigned',
        weightBps: 5_000,
        keys: { stable: 30, canary: 30, excluded: 0 },
      }),
    );
  });
  test('after the promotion runs of the stable arm compare with nothing', async () => {
    const keeper = new EvidenceKeeper(source());
    outcomes = both(60, 'success');
    later(60_000);
    await keeper.look(
      rollout({
        promoted: true,
        decisions: [{ at: '2026-11-25T12:00:00Z', from: 'Analyzing', to: 'Promoting', reason: 'Promoted', why: 'x' }],
      }),
    );
    const arms = log.records.flatMap((record) =>
      record.type === 'UnitsMatured' ? record.units.map(({ arm }) => arm) : [],
    );
    expect(new Set(arms)).toEqual(new Set(['canary']));
  });
});
