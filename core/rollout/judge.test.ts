import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EvidenceRecord, EvidenceUnit, JudgedMetric } from '../../api/messages/evidence.ts';
import { chanceFrom } from './chance.ts';
import { type Evidence, evidenceDigest, fold } from './evidence.ts';
import { judge } from './judge.ts';

const minuteMs = 60_000;
const began = 1_800_000_000_000;

const metric = (change: Partial<JudgedMetric> = {}): JudgedMetric => ({
  name: 'task-success',
  role: 'primary',
  source: 'ledger',
  of: 'taskSuccess',
  direction: 'higher',
  abortMargin: 0,
  passMargin: 0.1,
  alpha: { harm: 0.05, pass: 0.05 },
  minUnits: 20,
  killSwitch: false,
  maturityMs: minuteMs,
  ...change,
});
const ratio = metric({ name: 'errors', role: 'guardrail', source: 'prometheus', direction: 'lower' });
const started = (...metrics: readonly JudgedMetric[]): EvidenceRecord => ({
  type: 'Started',
  at: began,
  rollout: 'r',
  windowMs: 0,
  metrics,
});

interface Flow {
  readonly from: number;
  readonly units: number;
  readonly stable?: number;
  readonly canary?: number;
  readonly name?: string;
}

/** A record a minute with ten units each, two of ten on the canary. */
function flow({ from, units, stable = 0.9, canary = 0.9, name = 'task-success' }: Flow): readonly EvidenceRecord[] {
  const chance = chanceFrom(from + units);
  return Array.from({ length: Math.ceil(units / 10) }, (_, minute): EvidenceRecord => {
    const ten = Array.from({ length: 10 }, (__, at): EvidenceUnit => {
      const arm = at % 5 === 4 ? 'canary' : 'stable';
      const good = Number(chance() < (arm === 'canary' ? canary : stable));
      return { unit: `${from}-${minute}-${at}`, arm, assignedAt: began, runs: 1, values: { [name]: good } };
    });
    const none = { stable: 0, canary: 0 };
    return { type: 'UnitsMatured', at: began + (from + minute + 1) * minuteMs, units: ten, open: none, dropped: none };
  });
}
const timeOf = (records: readonly EvidenceRecord[]): number => records.at(-1)?.at ?? 0;
const good = [started(metric()), ...flow({ from: 0, units: 2_000 })];
const verdict = (records: readonly EvidenceRecord[], now = timeOf(records)) => judge(fold(records), now);

describe('a verdict', () => {
  test('is Pass where a canary as good as stable has had time to show it', () => {
    expect(verdict(good)).toMatchObject({
      verdict: 'Pass',
      kill: false,
      samples: { stable: 1_600, canary: 400 },
    });
  });
  test('is Fail where the canary is worse, and stays it', () => {
    const bad = [started(metric()), ...flow({ from: 0, units: 1_000, canary: 0.6 })];
    expect(verdict(bad)).toMatchObject({ verdict: 'Fail', cause: 'HarmDetected' });
    expect(verdict([...bad, ...flow({ from: 200, units: 10_000, canary: 1 })])).toMatchObject({ verdict: 'Fail' });
  });
  test('of a guardrail with harm is Fail, of what is only shown nothing', () => {
    const bad = good
      .slice(1)
      .map(valuing('canary', { other: 1 }))
      .map(valuing('stable', { other: 0 }));
    const other = metric({ name: 'other', of: 'minorViolation', direction: 'lower', role: 'guardrail' });
    expect(verdict([started(metric(), other), ...bad])).toMatchObject({ verdict: 'Fail', cause: 'GuardrailBound' });
    expect(verdict([started(metric(), { ...other, role: 'info' }), ...bad])).toMatchObject({ verdict: 'Pass' });
  });
  test('is not held up by a metric without its threshold that nobody asked for', () => {
    const unjudged = metric({ name: 'latency', role: 'guardrail', unjudged: 'why', byDefault: true });
    expect(verdict([started(metric(), unjudged), ...good.slice(1)])).toMatchObject({ verdict: 'Pass' });
    const thresholds = { latency: { withinMs: 5 } };
    const frozen: EvidenceRecord = { type: 'ThresholdsFrozen', at: began, thresholds };
    const bad = withValue('latency', 'canary', 0).map(valuing('stable', { latency: 1 }));
    expect(verdict([started(metric(), unjudged), frozen, ...bad])).toMatchObject({ cause: 'GuardrailBound' });
  });
  test('has an order: kill switch, Fail, Cancelled', () => {
    const kill = metric({
      name: 'kill',
      of: 'criticalViolation',
      direction: 'lower',
      role: 'critical',
      killSwitch: true,
    });
    const bad = [started(metric(), kill), ...flow({ from: 0, units: 1_000, canary: 0.6 })];
    const stop: EvidenceRecord = { type: 'Stopped', at: timeOf(bad), cause: 'Superseded', why: 'superseded' };
    const struck: EvidenceRecord = { type: 'Struck', at: timeOf(bad), metric: 'kill', arm: 'canary', run: 'x' };
    expect(verdict([...bad, stop])).toMatchObject({ verdict: 'Fail', cause: 'HarmDetected', kill: false });
    expect(verdict([...bad, struck, stop])).toMatchObject({ cause: 'PolicyViolation', kill: true });
    expect(verdict([...bad, { ...struck, arm: 'stable' }])).toMatchObject({ kill: false });
  });
});

const empty = { numerator: '', denominator: '' };
const fine = { numerator: '2', denominator: '100' };
const sample = (canary: object, stable: object = fine) =>
  Array.from({ length: 60 }, (_, at): EvidenceRecord => ({
    type: 'Sampled',
    at: timeOf(good) + at * minuteMs,
    metric: 'errors',
    arms: { stable, canary },
  }));
const withRatio = (records: readonly EvidenceRecord[]) => [started(metric(), ratio), ...good.slice(1), ...records];
const last = timeOf(good);
const failing = (what: { metric?: string }, times: number) =>
  Array.from({ length: times }, (): EvidenceRecord => ({
    type: 'SourceFailed',
    at: last,
    message: 'HTTP 500',
    ...what,
  }));

/** Each begins with evidence that would be Pass. */
describe('what is missing, late, broken or not understood is never Pass', () => {
  test('though the same with good samples is', () => {
    expect(verdict(withRatio(sample(fine)))).toMatchObject({ verdict: 'Pass' });
  });
  test.each<[string, readonly EvidenceRecord[], string, string]>([
    ['no sample at all', withRatio([]), 'Inconclusive', 'NoData'],
    ['NaN', withRatio(sample({ numerator: 'NaN', denominator: '100' })), 'Inconclusive', 'NoData'],
    ['NaN of stable', withRatio(sample(fine, { numerator: 'NaN', denominator: 'NaN' })), 'Inconclusive', 'NoData'],
    ['infinity', withRatio(sample({ numerator: '+Inf', denominator: '+Inf' })), 'Error', 'ProviderDown'],
    ['more than all', withRatio(sample({ numerator: '101', denominator: '100' })), 'Error', 'ProviderDown'],
    ['less than none', withRatio(sample({ numerator: '-1', denominator: '100' })), 'Error', 'ProviderDown'],
    ['text', withRatio(sample({ numerator: '<html>', denominator: '100' })), 'Inconclusive', 'NoData'],
    ['an empty answer', withRatio(sample(empty)), 'Inconclusive', 'NoData'],
    ['nothing', withRatio(sample({})), 'Inconclusive', 'NoData'],
    ['0/0', withRatio(sample({ numerator: '0', denominator: '0' })), 'Inconclusive', 'NoData'],
    ['old values', withRatio(sample({ ...fine, takenAt: began })), 'Inconclusive', 'NoData'],
    [
      'half of the instances',
      withRatio(sample({ ...fine, instances: { expected: 6, seen: 3 } })),
      'Inconclusive',
      'NoData',
    ],
    ['no instance', withRatio(sample({ ...fine, instances: { expected: 0, seen: 0 } })), 'Inconclusive', 'NoData'],
    [
      'one worthless sample after good ones',
      withRatio([...sample(fine), ...sample(empty).slice(0, 1)]),
      'Running',
      'NeedMoreUnits',
    ],
    [
      'a provider that is down',
      withRatio([...sample(fine), ...failing({ metric: 'errors' }, 3)]),
      'Error',
      'ProviderDown',
    ],
    ['a ledger that is down', [...good, ...failing({}, 3)], 'Error', 'ProviderDown'],
    ['a ledger that failed once', [...good, ...failing({}, 1)], 'Running', 'NeedMoreUnits'],
    [
      'a stopped analysis',
      [...good, { type: 'Stopped', at: last, cause: 'Superseded', why: 'superseded' }],
      'Cancelled',
      'Superseded',
    ],
    ['no records', [], 'Inconclusive', 'NeedMoreUnits'],
    [
      'an unknown record',
      [...good, { type: 'Later', at: last } as unknown as EvidenceRecord],
      'Inconclusive',
      'JudgeDown',
    ],
    ['no record', [...good, null as unknown as EvidenceRecord], 'Inconclusive', 'JudgeDown'],
    ['a second start', [...good, started(metric())], 'Inconclusive', 'JudgeDown'],
    ['a sample of something else', [...good, ...sample(fine).slice(0, 1)], 'Inconclusive', 'JudgeDown'],
    ['only guardrails', [started(metric({ role: 'guardrail' })), ...good.slice(1)], 'Inconclusive', 'NeedMoreUnits'],
    [
      'a threshold that is missing',
      [started(metric(), metric({ name: 'l', unjudged: 'why' })), ...good.slice(1)],
      'Inconclusive',
      'NoData',
    ],
    [
      'a canary that says nothing of it',
      [started(metric(), metric({ name: 'v', role: 'guardrail' })), ...withValue('v', 'stable')],
      'Inconclusive',
      'NoData',
    ],
    [
      'a value that is none',
      [started(metric()), ...withValue('task-success', 'canary', Number.NaN)],
      'Error',
      'ProviderDown',
    ],
    ['a value above 1', [started(metric()), ...withValue('task-success', 'canary', 1.5)], 'Error', 'ProviderDown'],
    [
      'shares that cannot be',
      [...good, keys(7, { stable: 1_600, canary: 600 })],
      'Inconclusive',
      'SampleRatioMismatch',
    ],
    [
      'units that are lost in one arm',
      [...good, keys(2_500, { stable: 1_600, canary: 520 })],
      'Inconclusive',
      'SampleRatioMismatch',
    ],
    [
      'a value that is none, as the log has it',
      [started(metric()), ...withValue('task-success', 'canary', null as unknown as number)],
      'Error',
      'ProviderDown',
    ],
    [
      'a stable bundle that does not succeed either',
      [started(metric()), ...flow({ from: 0, units: 2_000, stable: 0, canary: 0 })],
      'Inconclusive',
      'StableUnhealthy',
    ],
  ])('%s', (_, records, wanted, cause) => {
    const found = verdict(records, Math.max(last, timeOf(records.filter((record) => record !== null))));
    expect({ verdict: found.verdict, cause: found.cause }).toEqual({ verdict: wanted, cause });
  });
  test('a judge that fails', () => {
    const broken = { ...fold(good), metrics: [null] } as unknown as Evidence;
    expect(judge(broken, last)).toMatchObject({ verdict: 'Inconclusive', cause: 'JudgeDown', metrics: [] });
    const struck = { ...broken, strikes: { canary: { metric: 'violations', run: 'r', at: last, times: 1 } } };
    expect(judge(struck, last)).toMatchObject({ verdict: 'Fail', cause: 'PolicyViolation', kill: true });
  });
  test.each([
    ['forwards', last + 24 * 60 * minuteMs, 'NoData'],
    ['backwards', last - 24 * 60 * minuteMs, 'JudgeDown'],
    ['to nowhere', Number.NaN, 'JudgeDown'],
  ])('a clock that jumps %s', (_, now, cause) => {
    expect(judge(fold(good), now)).toMatchObject({ verdict: 'Inconclusive', cause });
  });
  test('no traffic, and units whose time is not over', () => {
    const few = good.slice(0, 8);
    expect(verdict(few)).toMatchObject({ verdict: 'Inconclusive', cause: 'NeedMoreUnits' });
    const later = (at: number, canary: number): EvidenceRecord => ({
      type: 'UnitsMatured',
      at,
      units: [],
      open: { stable: 0, canary },
      dropped: { stable: 0, canary: 0 },
    });
    const hours = Array.from({ length: 13 }, (_, at) => later(began + at * 10 * minuteMs, 0));
    expect(verdict([...few, ...hours])).toMatchObject({ verdict: 'Inconclusive', cause: 'NoTraffic' });
    expect(verdict([...few, later(timeOf(few), 30)])).toMatchObject({ verdict: 'Inconclusive', cause: 'Immature' });
  });
});

/** The record with more values for the units of an arm. */
function valuing(arm: 'stable' | 'canary', more: Readonly<Record<string, number>>) {
  return (record: EvidenceRecord): EvidenceRecord => {
    if (record.type !== 'UnitsMatured') return record;
    const units = record.units.map((of) => (of.arm === arm ? { ...of, values: { ...of.values, ...more } } : of));
    return { ...record, units };
  };
}
const withValue = (name: string, arm: 'stable' | 'canary', value = 1): readonly EvidenceRecord[] =>
  good.slice(1).map(valuing(arm, { [name]: value }));

function keys(weightBps: number, of: { stable: number; canary: number }): EvidenceRecord {
  return { type: 'KeysAssigned', at: last, partition: 0, weightBps, keys: { ...of, excluded: 0 } };
}

describe('a fold', () => {
  const all = withRatio([
    ...sample(fine),
    keys(2_000, { stable: 1_600, canary: 400 }),
    ...failing({ metric: 'errors' }, 2),
    { type: 'Stopped', at: last, cause: 'Superseded', why: 'enough' },
  ]);
  test('in two parts is the same as in one', () => {
    const whole = fold(all);
    fc.assert(
      fc.property(fc.nat(all.length), (at) => {
        const parts = fold(all.slice(at), fold(all.slice(0, at)));
        expect(evidenceDigest(parts)).toBe(evidenceDigest(whole));
        expect(parts).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });
  test('does not change what it began with, and goes through JSON', () => {
    const half = fold(all.slice(0, 100));
    const before = JSON.stringify(half);
    fold(all.slice(100), half);
    expect(JSON.stringify(half)).toBe(before);
    const again = fold(JSON.parse(JSON.stringify(all)) as readonly EvidenceRecord[]);
    expect(evidenceDigest(again)).toBe(evidenceDigest(fold(all)));
  });
  test('has another digest for another log', () => {
    expect(evidenceDigest(fold(good.slice(0, -1)))).not.toBe(evidenceDigest(fold(good)));
  });
  test('does not grow with the log', () => {
    const size = (records: readonly EvidenceRecord[]) => JSON.stringify(fold(records)).length;
    const long = [started(metric()), ...flow({ from: 0, units: 20_000 })];
    expect(size(long)).toBeLessThan(size(good) * 1.2);
  });
});
