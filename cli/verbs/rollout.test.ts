import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EvidenceRecord } from '../../api/messages/evidence.ts';
import { fold } from '../../core/rollout/evidence.ts';
import { judge } from '../../core/rollout/judge.ts';
import { startEvidence } from '../../core/rollout/metrics.ts';
import { testHost } from '../../test/support/cli-host.ts';
import { digestOf, release, seenOf } from '../../test/support/rollout-scene.ts';
import type { RolloutObject } from '../kube/rollouts.ts';
import { evidenceText, historyText, rolloutText } from '../output/rollout.ts';
import { run } from '../program.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-rollout-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const metrics = [
  { name: 'task-success', role: 'critical', of: 'taskSuccess', minUnits: 5, passMargin: '0.5' },
] as const;
const records: readonly EvidenceRecord[] = [
  startEvidence({ metrics: [...metrics] }, { durationsMs: [], costsMicros: [] }, { rollout: 'uid-1', at: 1_000 }),
  {
    type: 'UnitsMatured',
    at: 60_000,
    units: Array.from({ length: 200 }, (_, index) => ({
      unit: `u${index}`,
      arm: index % 2 === 0 ? ('stable' as const) : ('canary' as const),
      assignedAt: 2_000 + index,
      runs: 1,
      values: { 'task-success': 1 },
    })),
    open: { stable: 0, canary: 0 },
    dropped: { stable: 0, canary: 0 },
  },
];

test('replay gives the verdict of the log, without a cluster', async () => {
  const file = join(folder, 'evidence.json');
  await writeFile(file, JSON.stringify(records));
  const { host, out } = testHost();
  expect(await run(host, ['rollout', 'replay', file, '-o', 'json'])).toBe(0);
  const evidence = fold(records);
  const { verdict, evidence: log } = judge(evidence, evidence.lastAt);
  expect(verdict).toBe('Pass');
  expect(JSON.parse(out())).toMatchObject({ verdict, evidence: log });
});

test('replay of something else says what is allowed', async () => {
  const file = join(folder, 'evidence.json');
  await writeFile(file, '{}');
  const { host, error } = testHost();
  expect(await run(host, ['rollout', 'replay', file])).toBe(2);
  expect(error()).toMatch(/allowed: a\s+list of evidence records/);
});

test('plan of a file says units and hours, and starts nothing', async () => {
  const file = join(folder, 'release.json');
  await writeFile(file, JSON.stringify({ stages: release.stages.slice(1, 3) }));
  const { host, out } = testHost();
  expect(await run(host, ['rollout', 'plan', 'receptionist', '--keys-per-hour', '400', '--release', file])).toBe(0);
  expect(out()).toMatch(/^stage 1: 5 % of new keys, notFail: about \d+ units, /);
});

test('a rollout on the screen', () => {
  const rollout: RolloutObject = {
    apiVersion: 'signalbox.dev/v1alpha1',
    kind: 'BundleRollout',
    metadata: { name: 'receptionist-bbbbbbbb-1', namespace: 'clinic' },
    spec: { ...seenOf().spec, highRisk: ['another model'], to: { bundle: 'two', digest: digestOf('b') } },
    status: {
      phase: 'Held',
      reason: 'NoData',
      stageText: '2/5 canary',
      weight: { desiredBps: 500, observedBps: 500 },
      verdict: 'Inconclusive',
      message: 'Stage 2/5 canary is held: nothing is known. Next: it goes on by itself.',
      samples: { stable: 40, canary: 3, excluded: 1 },
      evidence: { seq: 7, digest: 'sha256:e' },
      metrics: [
        {
          name: 'task-success',
          verdict: 'Running',
          units: [40, 3],
          means: ['0.9', '1'],
          logHarm: '0.1',
          logPass: '0.4',
        },
      ],
      decisions: [
        {
          at: '2026-11-25T12:00:00Z',
          from: 'Progressing',
          to: 'Held',
          reason: 'NoData',
          why: 'nothing is known',
          by: 'ann',
        },
      ],
    },
  };
  const screen = { columns: 100, paint: (_: string, text: string) => text } as never;
  expect(rolloutText(rollout, screen)).toBe(
    [
      'receptionist-bbbbbbbb-1  Held  NoData',
      'agent receptionist, from one to two, attempt 1',
      'stage 2/5 canary, weight 5 %, verdict Inconclusive',
      'high-risk: another model',
      '',
      'Stage 2/5 canary is held: nothing is known. Next: it goes on by itself.',
    ].join('\n'),
  );
  expect(evidenceText(rollout, screen)).toContain(
    'Units: 40 stable, 3 canary, 1 excluded. Records of the log: 7, sha256:e.',
  );
  expect(historyText(rollout, 120)).toBe('2026-11-25T12:00:00Z  Progressing → Held  NoData by ann: nothing is known');
});
