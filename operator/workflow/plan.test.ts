import type { OpenRuns } from '../catalog/versions.ts';
import { describe, expect, test } from 'vitest';
import type { ResolvedWorkflow } from '../../api/messages/catalog.ts';
import { agent, digestA, digestB, entry, policy, workflow } from '../../test/support/objects.ts';
import type { CatalogEntry } from '../catalog/objects.ts';
import { planWorkflow, type WorkflowObserved } from './plan.ts';

const now = Date.parse('2026-11-23T09:00:00Z');
const fine = agent('receptionist', {
  status: { conditions: [{ type: 'Ready', status: 'True', reason: 'Available', message: '', lastTransitionTime: '' }] },
});
const observed = (differing: Partial<WorkflowObserved> = {}): WorkflowObserved => ({
  root: workflow('calls'),
  findings: { own: [], references: [] },
  agents: { receptionist: fine },
  versions: [],
  runs: { open: new Map(), untold: [] },
  positions: new Map(),
  namespaceGoing: false,
  ...differing,
});
const following = (digest: string): OpenRuns => ({ open: new Map([[digest, 1]]), untold: [] });
const told = (plan: ReturnType<typeof planWorkflow>) =>
  plan.commands.map((command) =>
    `${command.kind} ${'key' in command && typeof command.key === 'string' ? command.key.slice(0, 20) : ''}`.trim(),
  );
const condition = (plan: ReturnType<typeof planWorkflow>, type: string) =>
  plan.status?.conditions?.find((one) => one.type === type);
const version = (digest: string, revision = 1): CatalogEntry =>
  entry(`workflow-at.${digest.slice(7)}`, { namespace: 'demo', name: 'calls', digest }, revision);
const invalid = {
  own: [
    {
      check: 'stateUnreachable',
      field: 'spec.states[x]',
      found: 'x',
      allowed: 'y',
      message: 'spec.states[x]: found x; allowed: y',
      severity: 'error',
      reason: 'InvalidSpec',
    },
  ],
  references: [],
} as const;

test('an accepted workflow is published by digest, then by name', () => {
  const plan = planWorkflow(observed(), now);
  expect(told(plan)).toEqual([expect.stringMatching(/^publish workflow-at\./), 'publish workflow.demo.calls']);
  expect(plan.status).toMatchObject({ agents: ['receptionist'] });
  expect(condition(plan, 'Accepted')?.status).toBe('True');
  expect(condition(plan, 'Ready')?.status).toBe('True');
});

test('the policy is part of the version', () => {
  const digestOf = (plan: ReturnType<typeof planWorkflow>) => plan.status?.['digest'];
  expect(digestOf(planWorkflow(observed({ policy: policy('p') }), now))).not.toBe(
    digestOf(planWorkflow(observed(), now)),
  );
});

test('at rest nothing is published', () => {
  const first = planWorkflow(observed(), now);
  const [at, current] = first.commands.map((command) =>
    command.kind === 'publish' ? entry(command.key, command.value) : undefined,
  );
  expect(told(planWorkflow(observed({ current, versions: [at as CatalogEntry] }), now))).toEqual([]);
});

test.each([
  ['nothing was accepted before', undefined, 'spec.states[x]: found x; allowed: y'],
  [
    'an earlier version stays in force, and the message says so',
    entry('workflow.demo.calls', { digest: digestA }),
    `spec.states[x]: found x; allowed: y; the version accepted before (${digestA}) stays in force`,
  ],
])('not accepted: %s', (_, current, message) => {
  const plan = planWorkflow(observed({ findings: invalid, current }), now);
  expect(told(plan)).toEqual([]);
  expect(condition(plan, 'Accepted')).toMatchObject({ status: 'False', reason: 'InvalidSpec', message });
  expect(condition(plan, 'Stalled')?.status).toBe('True');
});

test('an agent that is not ready is named', () => {
  const plan = planWorkflow(observed({ agents: { receptionist: fine, billing: undefined } }), now);
  expect(condition(plan, 'Ready')).toMatchObject({
    status: 'False',
    reason: 'AgentNotReady',
    message: 'Agent billing is not ready; runs wait for them.',
  });
});

test('of versions that no run follows the last five stay', () => {
  const versions = Array.from({ length: 8 }, (_, at) => version(`sha256:${String(at).repeat(64)}`, at + 1));
  const plan = planWorkflow(observed({ versions, runs: following(`sha256:${'0'.repeat(64)}`) }), now);
  expect(told(plan).filter((line) => line.startsWith('withdraw'))).toEqual([
    'withdraw workflow-at.22222222',
    'withdraw workflow-at.11111111',
  ]);
});

test('no version goes while some partition has not told which ones its runs follow', () => {
  const versions = Array.from({ length: 8 }, (_, at) => version(`sha256:${String(at).repeat(64)}`, at + 1));
  const plan = planWorkflow(observed({ versions, runs: { open: new Map(), untold: [0, 1] } }), now);
  expect(told(plan).filter((line) => line.startsWith('withdraw'))).toEqual([]);
});

describe('deleted', () => {
  const root = workflow('calls', { metadata: { deletionTimestamp: '2026-11-23T09:00:00Z' } });
  const current = entry('workflow.demo.calls', { digest: digestA } as ResolvedWorkflow);
  const versions = [version(digestA), version(digestB)];
  const gone = ['withdraw workflow-at.aaaaaaaa', 'withdraw workflow-at.bbbbbbbb', 'finalizer'];
  test('nobody can start it; until engines have told so, every version stays', () => {
    for (const differing of [{ current }, { runs: { open: new Map(), untold: [0, 1] } }]) {
      const plan = planWorkflow(observed({ root, versions, ...differing }), now);
      expect(told(plan)).toEqual('current' in differing ? ['withdraw workflow.demo.calls'] : []);
      expect(condition(plan, 'Ready')?.message).toContain(
        'current' in differing ? 'its open runs have ended' : 'partitions 0 and 1 have not told yet; if that stays so',
      );
      expect(plan.requeueAfterMs).toBeGreaterThan(0);
    }
  });
  test('what runs follow stays until they end', () => {
    const plan = planWorkflow(observed({ root, versions, runs: following(digestA) }), now);
    expect(told(plan)).toEqual(['withdraw workflow-at.bbbbbbbb']);
    expect(condition(plan, 'Ready')?.message).toContain('signalbox runs -n demo --workflow calls');
    expect(plan.requeueAfterMs).toBeGreaterThan(0);
  });
  test('all goes when no run follows it', () => {
    expect(told(planWorkflow(observed({ root, versions }), now))).toEqual(gone);
  });
  test('all goes at once when the namespace goes', () => {
    const plan = planWorkflow(
      observed({ root, current, versions, runs: following(digestA), namespaceGoing: true }),
      now,
    );
    expect(told(plan)).toEqual(['withdraw workflow.demo.calls', ...gone]);
  });
});

describe('schedules in the status', () => {
  const root = workflow('calls', {
    spec: {
      triggers: [{ schedule: { cron: '0 6 * * *' } }, { schedule: { name: 'night', cron: '0 2 * * *', pause: true } }],
    },
  });
  const due = Date.parse('2026-11-23T06:00:00Z');
  const position = {
    v: 1,
    timetable: '0 6 * * * UTC ',
    until: due,
    pending: [],
    cancels: [],
    open: ['r7'],
    started: 7,
    skipped: 3,
    missed: 1,
    last: { due, at: due + 12, run: 'r7' },
    lastSkip: { due: due - 86_400_000, at: due, reason: 'refused: OVERLOADED' },
  } as const;
  const schedules = (differing: object = {}) =>
    planWorkflow(observed({ root, positions: new Map([['default', { ...position, ...differing }]]) }), now).status?.[
      'schedules'
    ];

  test('say when, how often, and why not', () => {
    expect(schedules()).toEqual([
      {
        name: 'default',
        state: 'Active',
        next: '2026-11-24T06:00:00Z',
        last: '2026-11-23T06:00:00Z',
        lastRun: 'r7',
        started: 7,
        skipped: 3,
        missed: 1,
        lastSkip: '2026-11-22T06:00:00Z',
        lastSkipReason: 'refused: OVERLOADED',
      },
      { name: 'night', state: 'Paused', started: 0, skipped: 0, missed: 0, paused: 'by spec: spec.pause is true' },
    ]);
  });

  test('a person has paused it, or it is broken: no next time', () => {
    expect(schedules({ paused: { by: 'ann', at: 1, reason: 'audit' } })).toMatchObject([
      { state: 'Paused', paused: 'by ann: audit' },
      {},
    ]);
    const [broken] = schedules({ problem: 'cron: found x' }) as readonly object[];
    expect(broken).toMatchObject({ state: 'Broken', problem: 'cron: found x' });
    expect(broken).not.toHaveProperty('next');
  });

  test('a workflow without schedules has none, and one that is not accepted keeps them', () => {
    expect(planWorkflow(observed(), now).status).not.toHaveProperty('schedules');
    expect(planWorkflow(observed({ root, findings: invalid }), now).status?.['schedules']).toHaveLength(2);
  });
});
