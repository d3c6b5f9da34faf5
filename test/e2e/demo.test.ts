// The demo as a whole: what it promises on its last line is what the issue of the day asks for.
import { expect, test } from 'vitest';
import { runDemo } from './run-demo.ts';

test('the demo ends well, with every promise kept', async () => {
  const { code, output, result } = await runDemo();
  expect(code, output).toBe(0);
  expect(result, output).toMatchObject({ ok: true, agentsReady: 7 });
  const runs = new Map((result?.runs ?? []).map((run) => [run.name, run]));
  for (const run of runs.values()) {
    expect(run.duplicates, run.name).toBe(0);
    expect(run.seconds, run.name).toBeGreaterThan(0);
    expect(Object.keys(run).toSorted(), run.name).toEqual([
      'costMicros',
      'duplicates',
      'effects',
      'escalated',
      'name',
      'outcome',
      'seconds',
      'workflow',
    ]);
  }
  expect(runs.get('onboard')).toMatchObject({ workflow: 'clinician-onboarding', outcome: 'success', effects: 5 });
  expect(runs.get('red-flag')).toMatchObject({
    workflow: 'patient-call',
    outcome: 'waiting',
    escalated: true,
    effects: 0,
  });
  expect(runs.get('unsure')).toMatchObject({ workflow: 'patient-call', escalated: true });
  expect(runs.get('invoice')).toMatchObject({ workflow: 'billing', outcome: 'success', escalated: true, effects: 2 });
  expect(runs.get('note')).toMatchObject({ workflow: 'visit-documentation', outcome: 'success', effects: 1 });
  expect(runs.get('backup')).toMatchObject({ workflow: 'support', outcome: 'success', effects: 1 });
  expect(runs.get('killed')).toMatchObject({ workflow: 'clinician-onboarding', outcome: 'success', effects: 5 });
  for (const name of ['onboard', 'call', 'invoice', 'note', 'backup', 'killed']) {
    expect(runs.get(name)?.costMicros, name).toBeGreaterThan(0);
  }
  expect(result?.escalations).toBeGreaterThanOrEqual(3);
}, 300_000);
