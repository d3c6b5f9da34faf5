import { describe, expect, test } from 'vitest';
import type { EvidenceRecord } from '../../api/messages/evidence.ts';
import type { RunOutcome } from '../../api/messages/rollout.ts';
import { fold } from './evidence.ts';
import { defaultMetrics, judgedMetrics, startEvidence } from './metrics.ts';
import { UnitBook } from './units.ts';

const began = 1_800_000_000_000;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const runs = {
  durationsMs: Array.from({ length: 100 }, (_, at) => (at + 1) * 1_000),
  costsMicros: Array.from({ length: 100 }, () => 500),
};
const start = (assignBy?: string) =>
  startEvidence(assignBy === undefined ? {} : { assignBy }, runs, { rollout: 'r', at: began });

const outcome = (run: string, change: Partial<RunOutcome> = {}): RunOutcome => ({
  rollout: 'r',
  arm: 'stable',
  unit: run,
  run,
  agent: 'a',
  assignedAt: began,
  closedAt: began + 10_000,
  outcome: 'success',
  cancelledByUser: false,
  escalations: 0,
  violations: { critical: 0, minor: 0 },
  proposed: 2,
  rejected: 0,
  costMicros: 500,
  overBudget: false,
  ...change,
});
const open = (run: string, change: Partial<RunOutcome> = {}): RunOutcome => {
  const { closedAt: _, outcome: __, ...rest } = outcome(run, change);
  return rest;
};

/** A book and its evidence, as the operator keeps them: each record is appended and folded. */
function bookOf(...outcomes: readonly RunOutcome[]) {
  return keyedBook(undefined, ...outcomes);
}
function keyedBook(assignBy: string | undefined, ...outcomes: readonly RunOutcome[]) {
  const first = start(assignBy);
  const records: EvidenceRecord[] = [first];
  const book = new UnitBook(first);
  book.note(outcomes);
  const look = (at: number) => {
    const record = book.mature(fold(records), at);
    records.push(record);
    book.know([record]);
    return record;
  };
  return { book, records, look, names: (at: number) => look(at).units.map(({ unit }) => unit) };
}

describe('units mature', () => {
  test('in the order of their assignment: one that is under way holds up those after it', () => {
    const { names, book } = bookOf(
      outcome('c', { assignedAt: began + 3 }),
      open('b', { assignedAt: began + 2 }),
      outcome('a', { assignedAt: began + 1 }),
    );
    expect(names(began + minuteMs)).toEqual(['a']);
    expect(names(began + minuteMs)).toEqual([]);
    book.note([outcome('b', { assignedAt: began + 2 })]);
    expect(names(began + minuteMs)).toEqual(['b', 'c']);
  });
  test('not before an engine with a slower clock could have assigned another one', () => {
    const { names } = bookOf(outcome('a'));
    expect(names(began + 9_000)).toEqual([]);
    expect(names(began + 10_000)).toEqual(['a']);
  });
  test('as they stand when their time is over: they have not succeeded', () => {
    const { look } = bookOf(open('a'));
    expect(look(began + 94_000)).toMatchObject({ units: [], open: { stable: 1, canary: 0 } });
    expect(look(began + 95_000)).toMatchObject({
      units: [{ unit: 'a', values: { 'safe-usefulness': 0, 'task-success': 0, latency: 0, 'minor-violation': 0 } }],
      open: { stable: 0, canary: 0 },
    });
  });
  test('once, whatever is told again, and after a restart', () => {
    const { book, names, records } = bookOf(outcome('a'));
    expect(names(began + minuteMs)).toEqual(['a']);
    book.note([outcome('a'), outcome('a', { run: 'later' })]);
    expect(names(began + minuteMs)).toEqual([]);
    const again = new UnitBook(start());
    again.know(records);
    again.note([outcome('a'), outcome('b')]);
    expect(again.mature(fold(records), began + minuteMs).units.map(({ unit }) => unit)).toEqual(['b']);
  });
  test('at most 500 in a record, the others in the next ones', () => {
    const { look } = bookOf(...Array.from({ length: 700 }, (_, at) => outcome(`u${at}`)));
    expect(look(began + minuteMs)).toMatchObject({ units: { length: 500 }, open: { stable: 200 } });
    expect(look(began + minuteMs)).toMatchObject({ units: { length: 200 }, open: { stable: 0 } });
  });
});

describe('a unit', () => {
  test('with correlated runs counts once, with their mean', () => {
    const { look } = keyedBook(
      'input.user',
      outcome('a', { unit: 'u' }),
      outcome('b', { unit: 'u', outcome: 'failed', assignedAt: began + 30_000, closedAt: began + 31_000 }),
      outcome('c', { unit: 'u', outcome: 'failed', assignedAt: began + hourMs }),
    );
    expect(look(began + 90_000).units).toEqual([]);
    expect(look(began + 95_000).units).toMatchObject([{ unit: 'u', runs: 2, values: { 'task-success': 0.5 } }]);
  });
  test('says nothing when people cancelled it, when it may not have the canary, or when it was in both arms', () => {
    const { look } = bookOf(
      outcome('a', { cancelledByUser: true }),
      outcome('b', { excluded: true }),
      outcome('c', { unit: 'u' }),
      outcome('d', { unit: 'u', arm: 'canary' }),
    );
    expect(look(began + minuteMs)).toMatchObject({ units: [], dropped: { stable: 2, canary: 0 } });
  });
  test.each<[string, Partial<RunOutcome>, Readonly<Record<string, number>>]>([
    ['a success', {}, { 'safe-usefulness': 1, 'task-success': 1, escalation: 0, latency: 1, cost: 0.5 }],
    ['refused', { outcome: 'refused' }, { 'safe-usefulness': 0, 'task-success': 0 }],
    ['a violation', { violations: { critical: 0, minor: 2 } }, { 'safe-usefulness': 0, 'minor-violation': 1 }],
    ['over budget', { overBudget: true, costMicros: 9_000 }, { 'safe-usefulness': 0, 'task-success': 1, cost: 1 }],
    ['slow', { closedAt: began + 91_000 }, { latency: 0, 'task-success': 1 }],
    ['late', { closedAt: began + 96_000 }, { latency: 0, 'task-success': 0 }],
    ['asked people', { escalations: 3 }, { escalation: 1, 'safe-usefulness': 1 }],
    ['rejected', { proposed: 4, rejected: 1, satisfaction: 0.75 }, { 'verifier-reject': 0.25, satisfaction: 0.75 }],
    ['free', { costMicros: 0 }, { cost: 0 }],
  ])('%s', (_, change, values) => {
    expect(bookOf(outcome('a', change)).look(began + 2 * minuteMs).units).toMatchObject([{ values }]);
  });
  test('that proposed nothing says nothing about rejects, and one that nobody rated nothing about satisfaction', () => {
    const [unit] = bookOf(outcome('a', { proposed: 0 })).look(began + minuteMs).units;
    expect(Object.keys(unit?.values ?? {})).not.toContain('verifier-reject');
    expect(Object.keys(unit?.values ?? {})).not.toContain('satisfaction');
  });
});

test('a kill switch strikes at once, once, whether the run is mature or not', () => {
  const { book, records } = bookOf(open('a', { arm: 'canary', violations: { critical: 1, minor: 0 } }));
  const [strike, ...more] = book.strikes(began + 1);
  expect(strike).toEqual({ type: 'Struck', at: began + 1, metric: 'critical-violation', arm: 'canary', run: 'a' });
  expect(more).toEqual([]);
  book.know(strike ? [strike] : []);
  book.note([open('a', { arm: 'canary', violations: { critical: 2, minor: 0 } })]);
  expect(book.strikes(began + 2)).toEqual([]);
  const again = new UnitBook(start());
  again.know([...records, ...(strike ? [strike] : [])]);
  again.note([open('a', { arm: 'canary', violations: { critical: 1, minor: 0 } })]);
  expect(again.strikes(began + 3)).toEqual([]);
});

describe('a clock that jumps makes nobody late', () => {
  const dayMs = 24 * hourMs;
  test('forwards: what was open begins anew, and what closes counts as it ended', () => {
    const { look, book } = bookOf(open('a'), open('b', { assignedAt: began + 1 }));
    look(began + minuteMs);
    const jumped = began + dayMs;
    expect(look(jumped).units).toEqual([]);
    expect(look(jumped + minuteMs).units).toEqual([]);
    book.note([outcome('a', { closedAt: jumped + minuteMs })]);
    expect(look(jumped + minuteMs).units).toMatchObject([{ unit: 'a', values: { 'task-success': 1 } }]);
    expect(look(jumped + 95_000).units).toMatchObject([{ unit: 'b', values: { 'task-success': 0 } }]);
  });
  test('backwards: what was stamped in the future counts when it closes', () => {
    const { look, book } = bookOf();
    look(began + minuteMs);
    const jumped = began - dayMs;
    book.note([outcome('a'), open('b', { assignedAt: began + 1 })]);
    expect(look(jumped).units).toEqual([]);
    expect(look(jumped + minuteMs).units).toMatchObject([{ unit: 'a' }]);
    expect(look(jumped + 3 * minuteMs).units).toEqual([]);
  });
});

describe('what is frozen at the start', () => {
  test('comes from stable: in time for 90 of 100, mature for 95, twice the cost; half of alpha is for the primary metric', () => {
    const metrics = judgedMetrics(undefined, runs);
    const of = (name: string) => metrics.find((metric) => metric.name === name);
    expect(metrics.map(({ name }) => name)).toEqual(defaultMetrics.map(({ name }) => name));
    expect(of('latency')).toMatchObject({ withinMs: 90_000, maturityMs: 95_000, role: 'guardrail' });
    expect(of('cost')).toMatchObject({ budgetMicros: 1_000, direction: 'lower' });
    expect(of('safe-usefulness')).toMatchObject({ alpha: { harm: 0.025, pass: 0.05 }, minUnits: 20, abortMargin: 0 });
    const judged = metrics.filter(({ role, killSwitch }) => role !== 'info' && !killSwitch);
    expect(judged.reduce((sum, { alpha }) => sum + alpha.harm, 0)).toBeCloseTo(0.05, 12);
  });
  test('is not made up: without enough stable runs latency and cost are only shown, or if they were asked for, not judged', () => {
    const few = { durationsMs: runs.durationsMs.slice(0, 19), costsMicros: runs.costsMicros.slice(0, 19) };
    expect(judgedMetrics(undefined, few).filter(({ unjudged }) => unjudged)).toMatchObject([
      { name: 'latency', role: 'guardrail', byDefault: true },
      { name: 'cost', role: 'guardrail', byDefault: true },
    ]);
    const latency = { name: 'l', role: 'critical', of: 'latency' } as const;
    expect(judgedMetrics([latency], few)).toMatchObject([
      { role: 'critical', unjudged: expect.stringContaining('within') },
    ]);
    expect(judgedMetrics([{ ...latency, within: '5s' }], few)).toMatchObject([{ withinMs: 5_000 }]);
  });
  test('later comes from the stable units of the rollout that have counted, and units count from then on', () => {
    const first = startEvidence({}, { durationsMs: [], costsMicros: [] }, { rollout: 'r', at: began });
    const records: EvidenceRecord[] = [first];
    const book = new UnitBook(first);
    const append = (...more: readonly EvidenceRecord[]) => {
      records.push(...more);
      book.know(more);
    };
    const named = (of: string, from: number) =>
      Array.from({ length: 20 }, (_, at) =>
        outcome(`${of}${at}`, { closedAt: began + (at + 1) * 1_000, assignedAt: began + from }),
      );
    book.note([...named('a', 0), ...named('b', 1)]);
    expect(book.freeze(began + minuteMs)).toEqual([]);
    const early = book.mature(fold(records), began + minuteMs);
    expect(Object.keys(early.units[0]?.values ?? {})).not.toContain('latency');
    append({ ...early, units: early.units.slice(0, 20) });
    const frozen = book.freeze(began + minuteMs);
    expect(frozen).toMatchObject([{ thresholds: { latency: { withinMs: 18_000 }, cost: { budgetMicros: 1_000 } } }]);
    append(...frozen);
    expect(book.freeze(began + minuteMs)).toEqual([]);
    const late = book.mature(fold(records), began + minuteMs);
    expect(late.units.flatMap(({ unit, values }) => (values['latency'] === 0 ? unit : [])).toSorted()).toEqual([
      'b18',
      'b19',
    ]);
    append(late);
    const latency = fold(records).metrics.find(({ metric }) => metric.name === 'latency');
    expect(latency).toMatchObject({ metric: { withinMs: 18_000 }, comparison: { block: { stable: { length: 20 } } } });
    expect(latency?.metric.unjudged).toBeUndefined();
  });
  test('what the release says stands', () => {
    const declared = {
      name: 's',
      role: 'primary',
      of: 'taskSuccess',
      abortMargin: '0.02',
      passMargin: '0.05',
      alpha: '0.01',
      minUnits: 7,
      maturity: '2h',
    } as const;
    expect(judgedMetrics([declared], runs)).toMatchObject([
      { abortMargin: 0.02, passMargin: 0.05, alpha: { harm: 0.01, pass: 0.01 }, minUnits: 7, maturityMs: 2 * hourMs },
    ]);
  });
});
