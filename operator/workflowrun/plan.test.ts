import { describe, expect, test } from 'vitest';
import { runSummary, workflowRun } from '../../test/support/objects.ts';
import { planRun, type RunObserved } from './plan.ts';

const now = Date.parse('2026-11-23T09:00:00Z');
const observed = (differing: Partial<RunObserved> = {}): RunObserved => ({
  root: workflowRun('call-1'),
  run: 'run1',
  workflowAccepted: true,
  ...differing,
});
const condition = (plan: ReturnType<typeof planRun>, type = 'Ready') =>
  plan.status?.conditions?.find((one) => one.type === type);
const kinds = (plan: ReturnType<typeof planRun>) => plan.commands.map(({ kind }) => kind);
const deleted = { metadata: { deletionTimestamp: '2026-11-23T09:00:00Z' } };
const unknown = { kind: 'NoAnswer', message: 'no responders' } as const;

describe('start', () => {
  test('first the finalizer, so that a started run is never forgotten', () => {
    expect(kinds(planRun(observed({ root: workflowRun('call-1', { metadata: { finalizers: [] } }) }), now))).toEqual([
      'finalizer',
    ]);
  });
  test('asks the engine once, in the name of who created the object', () => {
    const root = workflowRun('call-1', {
      metadata: { annotations: { 'signalbox.dev/requested-by': 'ann' } },
      spec: { input: { callId: 'c1' } },
    });
    const plan = planRun(observed({ root }), now);
    expect(plan.commands).toEqual([
      {
        kind: 'start',
        uid: 'uid-call-1',
        request: {
          run: 'run1',
          namespace: 'demo',
          workflow: 'calls',
          input: { callId: 'c1' },
          key: 'call-1',
          requestedBy: 'ann',
          source: 'object',
          object: { name: 'call-1', uid: 'uid-call-1' },
        },
      },
    ]);
    expect(plan.status).toMatchObject({ run: 'run1' });
    expect(kinds(planRun(observed({ root, answer: { kind: 'Done' } }), now))).toEqual([]);
  });
  test.each([
    ['the workflow is not accepted', { workflowAccepted: false, run: undefined }, 'WorkflowNotAccepted', []],
    [
      'too many are open: it waits for its turn',
      { answer: { kind: 'Later', code: 'OVERLOADED', message: 'too many' } },
      'Overloaded',
      ['start'],
    ],
    ['no engine answers', { answer: unknown }, 'JournalUnavailable', ['start']],
    [
      'the input is wrong',
      { answer: { kind: 'Refused', code: 'INVALID_INPUT', message: 'input.callId is missing' } },
      'InputInvalid',
      [],
    ],
    [
      'no calendar has the day',
      { root: workflowRun('call-1', { spec: { startAt: '2026-02-30T09:00:00Z' } }) },
      'InputInvalid',
      [],
    ],
    [
      'no calendar has the month',
      { root: workflowRun('call-1', { spec: { startAt: '2026-13-01T09:00:00Z' } }) },
      'InputInvalid',
      [],
    ],
    [
      'the start is too far ahead',
      {
        root: workflowRun('call-1', {
          metadata: { creationTimestamp: '2026-11-23T08:00:00Z' },
          spec: { startAt: '2028-01-01T09:00:00Z' },
        }),
      },
      'InputInvalid',
      [],
    ],
    ['the engine refuses', { answer: { kind: 'Refused', code: 'DENIED', message: 'no' } }, 'StartRefused', []],
  ] as const)('%s', (_, differing, reason, commands) => {
    const plan = planRun(observed(differing), now);
    expect(condition(plan)).toMatchObject({ status: 'False', reason });
    expect(kinds(plan)).toEqual(commands);
  });
});

describe('mirror', () => {
  test.each([
    [runSummary(), 'False', 'Running'],
    [runSummary({ status: 'Waiting' }), 'False', 'Waiting'],
    [runSummary({ status: 'Waiting', escalation: 'run1-1' }), 'False', 'Escalated'],
    [runSummary({ status: 'Frozen' }), 'False', 'Frozen'],
    [runSummary({ status: 'Closed', outcome: 'success' }), 'True', 'Closed'],
  ])('%#', (summary, status, reason) => {
    expect(condition(planRun(observed({ summary }), now))).toMatchObject({ status, reason });
  });
  test.each([
    ['success', 'True', 'Succeeded'],
    ['failed', 'False', 'Failed'],
    ['refused', 'False', 'Failed'],
    ['cancelled', 'False', 'Cancelled'],
  ])('outcome %s: Succeeded is %s', (outcome, status, reason) => {
    const plan = planRun(observed({ summary: runSummary({ status: 'Closed', outcome, closedAt: now }) }), now);
    expect(condition(plan, 'Succeeded')).toMatchObject({ status, reason });
    expect(plan.status).toMatchObject({ outcome, closedAt: '2026-11-23T09:00:00.000Z' });
    expect(kinds(plan)).toEqual(['finalizer']);
  });
  test('a closed run is not touched any more, whatever the projection has forgotten', () => {
    const root = workflowRun('call-1', { metadata: { finalizers: [] }, status: { status: 'Closed', run: 'run1' } });
    expect(planRun(observed({ root }), now)).toEqual({ commands: [] });
  });
});

describe('cancel', () => {
  const root = workflowRun('call-1', { spec: { cancel: true }, status: { run: 'run1' } });
  test.each([
    ['asks', undefined, ['cancel']],
    ['asks again while nobody answers', unknown, ['cancel']],
    ['waits for the journal once taken', { kind: 'Done' } as const, []],
  ])('%s', (_, cancelled, commands) => {
    expect(kinds(planRun(observed({ root, summary: runSummary(), cancelled }), now))).toEqual(commands);
  });
  test('before the start: nothing is started', () => {
    const plan = planRun(observed({ root: workflowRun('call-1', { spec: { cancel: true } }) }), now);
    expect(kinds(plan)).toEqual(['finalizer']);
    expect(plan.status).toMatchObject({ status: 'Closed', outcome: 'cancelled' });
  });
});

describe('suspend', () => {
  const root = (suspend?: boolean) =>
    workflowRun('call-1', { spec: suspend === undefined ? {} : { suspend }, status: { run: 'run1' } });
  const frozen = (source: 'object' | 'person') =>
    runSummary({ status: 'Frozen', frozen: [{ source, by: 'ann', reason: 'r' }] });
  test.each([
    ['true: asks for a freeze', true, runSummary(), undefined, ['freeze']],
    ['true: asks again while nobody answers', true, runSummary(), unknown, ['freeze']],
    ['true: waits for the journal once taken', true, runSummary(), { kind: 'Done' } as const, []],
    ['true and frozen: nothing', true, frozen('object'), undefined, []],
    ['false again: asks for the run to go on', false, frozen('object'), undefined, ['resume']],
    ['left out again: the same', undefined, frozen('object'), undefined, ['resume']],
    ['false: a freeze by a person stays', false, frozen('person'), undefined, []],
  ])('%s', (_, suspend, summary, suspended, commands) => {
    expect(kinds(planRun(observed({ root: root(suspend), summary, suspended }), now))).toEqual(commands);
  });
  test('a cancelled run that is frozen goes on to its end when it is resumed', () => {
    const cancelling = workflowRun('call-1', { spec: { cancel: true }, status: { run: 'run1' } });
    const plan = planRun(observed({ root: cancelling, summary: frozen('object'), cancelled: { kind: 'Done' } }), now);
    expect(kinds(plan)).toEqual(['resume']);
  });
  test('it is asked in the name of who created the object, with a reason', () => {
    expect(planRun(observed({ root: root(true), summary: runSummary() }), now).commands).toMatchObject([
      {
        kind: 'freeze',
        request: { source: 'object', by: 'workflowrun/call-1', reason: 'spec.suspend is true' },
      },
    ]);
  });
  test('before the start: nothing is started', () => {
    const plan = planRun(observed({ root: workflowRun('call-1', { spec: { suspend: true } }) }), now);
    expect(kinds(plan)).toEqual([]);
    expect(condition(plan)).toMatchObject({ status: 'False', reason: 'Frozen' });
  });
});

describe('delete', () => {
  const root = workflowRun('call-1', { ...deleted, status: { run: 'run1' } });
  test.each([
    ['an open run is cancelled first', { summary: runSummary() }, ['cancel']],
    ['it stays until the run is closed', { summary: runSummary(), cancelled: { kind: 'Done' } }, []],
    ['a closed run lets go', { summary: runSummary({ status: 'Closed' }) }, ['finalizer']],
    [
      'a run that the engine does not know lets go',
      { cancelled: { kind: 'Refused', code: 'NOT_FOUND', message: '' } },
      ['finalizer'],
    ],
    ['a run that never started lets go', { root: workflowRun('call-1', deleted) }, ['finalizer']],
  ] as const)('%s', (_, differing, commands) => {
    expect(kinds(planRun(observed({ root, ...differing }), now))).toEqual(commands);
  });
});
