import { describe, expect, test } from 'vitest';
import type { HistoryEvent, NewEvent } from '../../api/messages/history.ts';
import type { Fact, Rules } from './facts.ts';
import { checkInvariants } from './watch.ts';

let records = 0;
const appended = (run: string, seq: number, event: NewEvent): Fact => {
  records += 1;
  const events = [{ seq, at: 100, cause: `c${seq}`, ...event } as HistoryEvent];
  const record = { v: 1 as const, id: `r${records}`, owner: 'e1', epoch: 0, runs: [{ run, events }] };
  return { kind: 'Appended', at: 100, partition: 0, seq: records, record };
};
type Started = Extract<NewEvent, { readonly type: 'RunStarted' }>;
const started = (run: string, namespace: string, more: Partial<Started> = {}): Fact =>
  appended(run, 1, {
    type: 'RunStarted',
    namespace,
    workflow: 'wf',
    workflowDigest: 'sha256:wf',
    input: {},
    requestedBy: 'ann',
    source: 'http',
    pins: { clerk: 'good' },
    deadline: 9_999,
    ...more,
  });
const scheduled = (run: string): Fact =>
  appended(run, 2, {
    type: 'ActivityScheduled',
    activity: 'work.1',
    state: 'work',
    agent: 'clerk',
    bundleDigest: 'good',
    route: 'primary',
    attempt: 1,
    notBefore: 0,
    deadline: 9_000,
  } as NewEvent);
const turn = (run: string): Fact =>
  appended(run, 3, {
    type: 'TurnCompleted',
    activity: 'work.1',
    attempt: 1,
    turn: { turn: 1, role: 'executor', calls: [], results: [] },
    worker: 'w',
  } as NewEvent);
const rolledBack = (digest: string, done: boolean): Fact => ({
  kind: 'RolledBack',
  at: 0,
  namespace: 'a',
  agent: 'clerk',
  digest,
  done,
});

function problems(facts: readonly Fact[], rules: Rules = {}, healed = true): readonly string[] {
  records = 0;
  const found = checkInvariants(facts, { fromTheMiddle: true, ...rules }, healed);
  return found
    .filter(({ invariant }) => ['I8', 'I12', 'I15'].includes(invariant))
    .map(({ invariant, sentence }) => `${invariant} ${sentence}`);
}

describe('I8: a rollback completes', () => {
  test('one that is asked for, done, and followed by runs with the bundle it went back to', () => {
    const other = started('Run2', 'b', { pins: { clerk: 'bad' } });
    const facts = [
      rolledBack('good', false),
      started('Run1', 'a', { pins: { clerk: 'bad' } }),
      rolledBack('good', true),
      other,
    ];
    expect(problems([...facts, started('Run3', 'a')])).toEqual([]);
  });

  test('one that is never done is missed, but only when everything has had its time', () => {
    expect(problems([rolledBack('good', false)])).toEqual([
      'I8 the rollback of agent a/clerk to good was never completed',
    ]);
    expect(problems([rolledBack('good', false)], {}, false)).toEqual([]);
  });

  test('one that ends with another bundle, or after which the bad one is given to a new run', () => {
    expect(problems([rolledBack('good', false), rolledBack('worse', true)])).toEqual([
      'I8 agent a/clerk was rolled back to worse, asked for was good',
    ]);
    const back = [rolledBack('good', false), rolledBack('good', true)];
    expect(problems([...back, started('Run1', 'a', { pins: { clerk: 'bad' } })])).toEqual([
      'I8 was given bad of clerk after the rollback to good was done',
    ]);
  });
});

describe('I12: no orphans', () => {
  const gone: Fact = { kind: 'Deleted', at: 0, object: 'Agent/a/clerk' };
  const present = (of: string): Fact => ({ kind: 'Present', at: 0, things: [{ thing: 'Deployment/a/clerk-1', of }] });

  test('what belongs to others may stay; what belonged to the deleted one may go later', () => {
    expect(problems([gone, present('Agent/a/payer')])).toEqual([]);
    expect(problems([gone, present('Agent/a/clerk'), present('Agent/a/payer')])).toEqual([]);
  });

  test('something that is still there at the end', () => {
    expect(problems([gone, present('Agent/a/clerk')])).toEqual([
      'I12 Deployment/a/clerk-1 is still there, although Agent/a/clerk was deleted',
    ]);
  });

  test('a run that is started for a workflow that is gone', () => {
    expect(problems([{ kind: 'Deleted', at: 0, object: 'Workflow/a/wf' }, started('Run1', 'a')])).toEqual([
      'I12 was started after Workflow/a/wf was deleted',
    ]);
  });
});

describe('I15: tenants', () => {
  test('each by itself, in turns', () => {
    const facts = ['Run1', 'Run2'].flatMap((run, index) => [
      started(run, index === 0 ? 'a' : 'b'),
      scheduled(run),
      turn(run),
    ]);
    const denied: Fact = { kind: 'Crossed', at: 0, from: 'a', to: 'b', what: 'read a run', let: false };
    expect(problems([...facts, denied], { overtakenMax: 0 })).toEqual([]);
  });

  test('a look into another namespace that was allowed', () => {
    expect(problems([{ kind: 'Crossed', at: 0, from: 'a', to: 'b', what: 'read a run', let: true }])).toEqual([
      'I15 a was let to read a run of b',
    ]);
  });

  test('a run of another namespace than its parent, and one that is listed elsewhere', () => {
    const child = started('Run2', 'b', { source: 'parent', parent: { run: 'Run1', reason: 'x' } });
    const listed: Fact = {
      kind: 'Listed',
      at: 0,
      escalations: [{ namespace: 'c', run: 'Run1' } as Extract<Fact, { kind: 'Listed' }>['escalations'][number]].map(
        (record) => ({ ...record, escalation: { id: 'e', queue: 'q' } as never, status: 'Open' as const }),
      ),
    };
    expect(problems([started('Run1', 'a'), child, listed])).toEqual([
      'I15 is of b, started by a run of a',
      'I15 of a is listed in c',
    ]);
  });

  test('one that waits while more of another begin than may', () => {
    const others = Array.from({ length: 3 }, (_, index) => `Other${index}`);
    const facts = [
      started('Run1', 'a'),
      scheduled('Run1'),
      ...others.flatMap((run) => [started(run, 'b'), scheduled(run), turn(run)]),
    ];
    expect(problems(facts, { overtakenMax: 3 })).toEqual([]);
    expect(problems(facts, { overtakenMax: 2 })).toEqual(['I15 work.1 of a waits while 3 of other namespaces began']);
  });
});
