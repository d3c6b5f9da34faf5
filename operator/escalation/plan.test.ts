import { expect, test } from 'vitest';
import { escalationSpecSchema } from '../../api/v1alpha1/escalation.ts';
import type { EscalationRecord } from '../../api/messages/history.ts';
import { digestA, escalation } from '../../test/support/objects.ts';
import { intentOf, keptForMs, planEscalation } from './plan.ts';

const now = Date.parse('2026-11-23T09:00:00Z');
const record: EscalationRecord = {
  namespace: 'demo',
  run: 'run1',
  workflow: 'calls',
  requestedBy: 'ann',
  escalation: {
    id: 'run1-1',
    signal: 'approval',
    action: 'approval',
    queue: 'desk',
    question: 'May it charge?',
    evidence: ['x'.repeat(5_000)],
    proposal: { tool: 'charge', args: { cents: 100 } },
    digest: digestA,
    state: 'charge',
    deadline: now + 60_000,
  },
  costMicros: 5,
  openedAt: now,
  status: 'Open',
};
const object = escalation('run1-1');
const decided = {
  ...record,
  status: 'Decided',
  option: 'approve',
  decidedBy: 'bob',
  reason: 'fine',
  decidedAt: now,
} as const;
const kinds = (plan: ReturnType<typeof planEscalation>) => plan.commands.map(({ kind }) => kind);

test('the object fits its schema, however long the evidence', () => {
  expect(escalationSpecSchema.safeParse(intentOf(record)['spec']).error).toBeUndefined();
});

test('an open question gets its object, and gets it back', () => {
  expect(planEscalation({ record }, now).commands).toMatchObject([
    { kind: 'apply', object: { metadata: { name: 'run1-1', namespace: 'demo' } } },
  ]);
});

test.each([
  [record, 'Open', 'False'],
  [decided, 'Decided', 'True'],
  [{ ...record, status: 'Expired' } as const, 'Expired', 'True'],
  [{ ...record, status: 'Closed' } as const, 'Closed', 'True'],
])('the status says %#', (seen, state, ready) => {
  const plan = planEscalation({ record: seen, object }, now);
  expect(plan.status).toMatchObject({ state });
  expect(plan.status?.conditions?.[0]).toMatchObject({ type: 'Ready', status: ready, reason: state });
  expect(kinds(plan)).toEqual([]);
});

test('what is over stays seven days, and is not made again after that', () => {
  expect(planEscalation({ record: decided, object }, now).requeueAfterMs).toBe(24 * 3_600_000);
  expect(kinds(planEscalation({ record: decided, object }, now + keptForMs))).toEqual(['delete']);
  expect(planEscalation({ record: decided }, now + keptForMs + 1)).toEqual({ commands: [] });
});

test('an object whose record is forgotten goes by its own dates; an open one stays', () => {
  const over = escalation('run1-1', { status: { state: 'Decided', decidedAt: '2026-11-23T09:00:00Z' } });
  expect(kinds(planEscalation({ object: over }, now + keptForMs))).toEqual(['delete']);
  expect(planEscalation({ object: escalation('run1-1', { status: { state: 'Open' } }) }, now + 2 * keptForMs)).toEqual({
    commands: [],
  });
});

test('a question that moved on says whom it asks now, and until when', () => {
  const moved = { ...record, escalation: { ...record.escalation, queue: 'night', deadline: now + 5_000 } };
  const plan = planEscalation({ record: moved, object }, now);
  expect(plan.status).toMatchObject({ queue: 'night', deadline: new Date(now + 5_000).toISOString() });
});
