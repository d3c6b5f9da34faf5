// Rollouts that evidence decides: real runs of a real engine, real operator, real servers. Pods do not run here: the workflow waits
// for a signal, which says how the run ends.
import { beforeAll, expect, test } from 'vitest';
import { natsEvidence } from '../../adapters/nats/nats.ts';
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import type { RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { fold } from '../../core/rollout/evidence.ts';
import { judge } from '../../core/rollout/judge.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { resultOf } from '../../runtime/engine/forward.ts';
import { ending, namespace, object, operatedEngine, soonMs } from '../support/operated-engine.ts';
import { bundle } from '../support/objects.ts';
import { applied, manifest } from '../support/receptionist.ts';
import { until } from '../support/until.ts';

const operated = operatedEngine();
const { begin, history, kubectl, known, show, stage } = operated;
const verdictMs = 120_000;
const keys = 60;

interface Rollout extends KubeObject {
  readonly spec: { readonly to: { readonly bundle: string; readonly digest: string } };
  readonly status?: RolloutStatus;
}
const release = {
  stages: [{ canary: { weight: 50, until: { minUnits: 10, maxDuration: '1h' } } }],
  metrics: [
    {
      name: 'task-success',
      role: 'critical',
      of: 'taskSuccess',
      minUnits: 10,
      abortMargin: '0.1',
      passMargin: '0.5',
      maturity: '1h',
    },
  ],
};

const of = async (name: string): Promise<Rollout | undefined> =>
  (JSON.parse(await kubectl('get', 'bundlerollouts', '-o', 'json')) as { items: readonly Rollout[] }).items.find(
    ({ spec }) => spec.to.bundle === name,
  );
const inPhase = (name: string, phase: string): Promise<Rollout> =>
  until(
    `${name} is ${phase}`,
    async () => {
      await workersAreReady();
      const found = await of(name);
      return found?.status?.phase === phase ? found : undefined;
    },
    verdictMs,
  );
async function workersAreReady(): Promise<void> {
  const all = JSON.parse(await kubectl('get', 'deployments', '-o', 'json')) as {
    items: readonly (KubeObject & { readonly status?: { readonly readyReplicas?: number } })[];
  };
  for (const { metadata, status } of all.items) {
    if (status?.readyReplicas === 1) continue;
    const patch = JSON.stringify({ status: { replicas: 1, readyReplicas: 1, availableReplicas: 1 } });
    await kubectl('patch', 'deployment', metadata.name, '--subresource=status', '--type=merge', '-p', patch);
  }
}
const wants = (name: string): Promise<string> =>
  kubectl('patch', 'agent', 'receptionist', '--type=merge', '-p', JSON.stringify({ spec: { bundleRef: { name } } }));
const snapshot = async (): Promise<AgentSnapshot | undefined> =>
  (await stage.catalog.get(`agent.${namespace}.receptionist`))?.value as AgentSnapshot | undefined;

async function pinOf(run: string): Promise<string | undefined> {
  const started = (await history(run)).find(({ type }) => type === 'RunStarted');
  return started?.type === 'RunStarted' ? started.pins['receptionist'] : undefined;
}
async function end(run: string, good: boolean): Promise<void> {
  const signal = { run, namespace, signal: 'over', id: `${run}-over`, payload: { good }, by: 'ann' };
  resultOf(await operated.engine.owners.ask<RunSummary>(run, 'signal', signal));
}
/** New runs, ended as the bundle that each of them got ends them; the digests. */
async function work(count: number, isGood: (digest: string | undefined) => boolean): Promise<readonly string[]> {
  const runs = await begin('visits', count);
  const pins = await Promise.all(runs.map(pinOf));
  for (const [index, run] of runs.entries()) await end(run, isGood(pins[index]));
  return pins.filter((pin) => pin !== undefined);
}

beforeAll(async () => {
  const bundles = ['receptionist-2', 'receptionist-3'].map((name, index) =>
    bundle(name, { spec: { prompts: { executor: { text: `Do it, ${index}.` } } } }),
  );
  const declared = manifest(namespace).map((one) =>
    one.kind === 'Agent' ? { ...one, spec: { ...one.spec, release } } : one,
  );
  const visits = object('Workflow', 'visits', {
    input: { type: 'object' },
    start: 'wait',
    states: {
      wait: { type: 'wait', for: { signal: 'over' }, timeout: '1h', exits: { timeout: 'no', error: 'no' } },
      talk: {
        type: 'task',
        agent: 'receptionist',
        goal: 'Talk.',
        timeout: '1m',
        backup: 'none',
        exits: { error: 'no', timeout: 'no' },
      },
      ...ending,
    },
    transitions: [
      { from: 'wait', when: 'result.good == true', to: 'yes' },
      { from: 'wait', when: 'result.good == false', to: 'no' },
      { from: 'wait', to: 'talk' },
      { from: 'talk', to: 'yes' },
    ],
  });
  await stage.applyAs('ann', ...declared, ...applied(namespace, bundles), visits);
  await inPhase('receptionist-1', 'Completed');
  await known('visits');
});

test(
  'a bundle that is as good is promoted by evidence, and the log alone says the same',
  async () => {
    await wants('receptionist-2');
    const found = await inPhase('receptionist-2', 'Progressing');
    await until(
      'the weight is observed',
      async () => (await of('receptionist-2'))?.status?.weight?.observedBps === 5_000 || undefined,
      soonMs,
    );
    const pins = await work(keys, () => true);
    const canary = pins.filter((pin) => pin === found.spec.to.digest).length;
    expect(canary).toBeGreaterThan(10);
    expect(canary).toBeLessThanOrEqual(keys / 2);
    const done = await inPhase('receptionist-2', 'Completed');
    expect(done.status).toMatchObject({ verdict: 'Pass', passed: true, samples: { canary } });
    expect(done.status?.forced).toBeUndefined();
    const { records } = await natsEvidence(stage.control).read(done.metadata.uid ?? '');
    expect(judge(fold(records), Date.now()).metrics).toEqual(done.status?.metrics);
  },
  2 * verdictMs,
);

test(
  'a worse one is rolled back, with the operator killed on the way; runs in flight end with their bundle',
  async () => {
    await wants('receptionist-3');
    const found = await inPhase('receptionist-3', 'Progressing');
    await until(
      'the weight is observed',
      async () => (await of('receptionist-3'))?.status?.weight?.observedBps === 5_000 || undefined,
      soonMs,
    );
    const inFlight = await begin('visits', 20);
    const before = await Promise.all(inFlight.map(pinOf));
    expect(before).toContain(found.spec.to.digest);
    const { digest } = found.spec.to;
    for (const [index, run] of inFlight.slice(4).entries()) await end(run, before[index + 4] !== digest);
    await stage.operator.kill();
    await work(keys, (pin) => pin !== digest);
    await stage.operator.start();
    for (const run of inFlight.slice(0, 3)) await end(run, true);
    const [, , , last = ''] = inFlight;
    await end(last, before[3] !== digest);
    const back = await inPhase('receptionist-3', 'RolledBack');
    expect(back.status).toMatchObject({
      verdict: 'Fail',
      reason: 'HarmDetected',
      weight: { desiredBps: 0, observedBps: 0 },
    });
    expect(back.status?.quarantined).toBeDefined();
    expect(await snapshot()).toMatchObject({ bundle: 'receptionist-2' });
    expect(await Promise.all(inFlight.map(pinOf))).toEqual(before);
    expect((await Promise.all(inFlight.map(show))).map(({ status }) => status)).toEqual(inFlight.map(() => 'Closed'));
    const after = await Promise.all((await begin('visits', 10)).map(pinOf));
    expect(after).not.toContain(digest);
  },
  3 * verdictMs,
);
