// Releases as people see them with kubectl: rollouts that the operator makes and moves, what engines are offered, what commands do.
// Pods do not run here: a test says when workers are ready.
import { beforeAll, expect, test } from 'vitest';
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { RolloutStatus, RolloutVerb } from '../../api/v1alpha1/rollout.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { typeLine } from '../support/cli-stage.ts';
import type { Told } from '../support/kubectl.ts';
import { namespace, object, operatedEngine, soonMs } from '../support/operated-engine.ts';
import { applied, manifest } from '../support/receptionist.ts';
import { bundle } from '../support/objects.ts';
import { until } from '../support/until.ts';

const operated = operatedEngine();
const { get, kubectl, stage } = operated;

interface Rollout extends KubeObject {
  readonly spec: {
    readonly to: { readonly bundle: string; readonly digest: string };
    readonly attempt: number;
    readonly fast?: boolean;
  };
  readonly status?: RolloutStatus & {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}
const stages = [
  { canary: { weight: 5, until: { minUnits: 5, maxDuration: '1h' } } },
  { approve: { scope: 'leads' } },
  { bake: { duration: '1s' } },
];

const rollouts = async (): Promise<readonly Rollout[]> =>
  (JSON.parse(await kubectl('get', 'bundlerollouts', '-o', 'json')) as { items: readonly Rollout[] }).items.toSorted(
    (left, right) => Number(left.metadata.creationTimestamp! > right.metadata.creationTimestamp!) - 0.5,
  );
const of = async (name: string, attempt = 1): Promise<Rollout | undefined> =>
  (await rollouts()).find(({ spec }) => spec.to.bundle === name && spec.attempt === attempt);
const inPhase = (name: string, phase: string, attempt = 1): Promise<Rollout> =>
  until(
    `${name} is ${phase}`,
    async () => {
      const found = await of(name, attempt);
      return found?.status?.phase === phase ? found : undefined;
    },
    soonMs,
  );
const snapshot = async (): Promise<AgentSnapshot | undefined> =>
  (await stage.catalog.get(`agent.${namespace}.receptionist`))?.value as AgentSnapshot | undefined;

/** Pods of every Deployment that there is are ready. */
async function workersAreReady(): Promise<void> {
  const all = JSON.parse(await kubectl('get', 'deployments', '-o', 'json')) as { items: readonly KubeObject[] };
  for (const { metadata } of all.items) {
    const patch = JSON.stringify({ status: { replicas: 1, readyReplicas: 1, availableReplicas: 1 } });
    await kubectl('patch', 'deployment', metadata.name, '--subresource=status', '--type=merge', '-p', patch);
  }
}
async function provisioned(name: string, attempt = 1): Promise<void> {
  await until(
    `workers of ${name} are wanted`,
    async () => {
      const phase = (await of(name, attempt))?.status?.phase;
      await workersAreReady();
      return phase === undefined || ['Pending', 'Waiting', 'Validating', 'Provisioning'].includes(phase)
        ? undefined
        : true;
    },
    soonMs,
  );
}

let told = 0;
async function tell(
  rollout: Rollout,
  verb: RolloutVerb,
  { as = 'bob', ...more }: { as?: string; scope?: string; stage?: number; uid?: string } = {},
): Promise<Told> {
  const name = `${verb}-${(told += 1)}`;
  const { uid = rollout.metadata.uid, ...rest } = more;
  const spec = {
    rolloutRef: { name: rollout.metadata.name, uid },
    verb,
    reason: 'as agreed',
    commandedBy: as,
    ...rest,
  };
  await stage.applyAs(as, object('RolloutCommand', name, spec));
  return until(
    `${name} is answered`,
    async () => {
      const command = await get(`rolloutcommand ${name}`);
      return command?.status?.['state'] === undefined ? undefined : command;
    },
    soonMs,
  );
}
const typed = (...words: readonly string[]) => typeLine(stage.plane, [...words, '-n', namespace]);
const wants = async (name: string): Promise<string> =>
  kubectl(
    'patch',
    'agent',
    'receptionist',
    '--as=ann',
    '--type=merge',
    '-p',
    JSON.stringify({ spec: { bundleRef: { name } } }),
  );
const condition = async (what: string, type: string) =>
  (await get(what))?.status?.conditions?.find((one) => one.type === type);

beforeAll(async () => {
  const bundles = ['receptionist-2', 'receptionist-3'].map((name, index) =>
    bundle(name, { spec: { prompts: { executor: { text: `Do it, ${index}.` } } } }),
  );
  const withRelease = manifest(namespace).map((one) =>
    one.kind === 'Agent' ? { ...one, spec: { ...one.spec, release: { stages, rollback: { keepWarm: '1h' } } } } : one,
  );
  await stage.applyAs('ann', ...withRelease, ...applied(namespace, bundles));
});

test('the first bundle of an agent is released by a rollout, too', async () => {
  await inPhase('receptionist-1', 'Provisioning');
  expect(await snapshot()).toBeUndefined();
  await provisioned('receptionist-1');
  const done = await inPhase('receptionist-1', 'Completed');
  expect(done.status?.decisions?.map(({ to }) => to)).toEqual([
    'Validating',
    'Provisioning',
    'Promoting',
    'Baking',
    'Completed',
  ]);
  expect(await snapshot()).toMatchObject({ bundle: 'receptionist-1', bundleDigest: done.spec.to.digest });
  expect((await snapshot())?.rollout).toBeUndefined();
  await kubectl('wait', '--for=condition=Ready', `bundlerollout/${done.metadata.name}`, '--timeout=10s');
  await until(
    'the agent says so',
    async () => (await condition('agent receptionist', 'Released'))?.status === 'True' || undefined,
    soonMs,
  );
});

test('another bundle gets its share of new keys, and the engine goes by it', async () => {
  await wants('receptionist-2');
  await provisioned('receptionist-2');
  const found = await until(
    'all partitions go by the weight',
    async () => {
      const one = await inPhase('receptionist-2', 'Progressing');
      return one.status?.weight?.observedBps === 500 ? one : undefined;
    },
    soonMs,
  );
  expect(await snapshot()).toMatchObject({
    bundle: 'receptionist-1',
    rollout: {
      uid: found.metadata.uid,
      weightBps: 500,
      canary: { bundle: 'receptionist-2', digest: found.spec.to.digest },
    },
  });
  expect(await condition('agent receptionist', 'Released')).toMatchObject({ status: 'False', reason: 'RollingOut' });
  expect(found.status?.conditions?.find(({ type }) => type === 'Reconciling')?.status).toBe('True');
  expect(await kubectl('get', 'bundlerollouts')).toMatch(
    /Progressing +NeedMoreUnits +receptionist-1 +receptionist-2 +500/,
  );
});

test('commands: refused with words, done once, and the clocks of a pause stand', async () => {
  const running = await inPhase('receptionist-2', 'Progressing');
  const other = await tell(running, 'abort', { uid: 'another' });
  expect(other.status).toMatchObject({
    state: 'Refused',
    message: expect.stringContaining('it is another attempt') as string,
  });
  const late = await tell(running, 'skip', { stage: 1 });
  expect(late.status).toMatchObject({
    state: 'Refused',
    message: expect.stringContaining('stands at stage 0 now') as string,
  });
  await expect(tell(running, 'approve', { as: 'eve', scope: 'leads' })).rejects.toThrow(/forbidden/i);
  expect((await tell(running, 'pause')).status).toMatchObject({ state: 'Done' });
  await inPhase('receptionist-2', 'Paused');
  expect((await tell(running, 'resume')).status).toMatchObject({ state: 'Done' });
  await inPhase('receptionist-2', 'Progressing');
});

test('the command line shows it, waits for it, and tells it what to do', async () => {
  const running = await inPhase('receptionist-2', 'Progressing');
  expect(await typed('rollout', 'list')).toMatchObject({
    code: 0,
    out: expect.stringContaining('Progressing') as string,
  });
  expect((await typed('rollout', 'explain', 'receptionist')).out).toContain('Stage 1/3 canary');
  expect((await typed('rollout', 'status', 'receptionist')).code).toBe(2);
  expect(await typed('rollout', 'approve', 'receptionist', '--reason', 'fine')).toMatchObject({
    code: 4,
    error: expect.stringContaining('AwaitingApproval') as string,
  });
  expect((await typed('rollout', 'hold', running.metadata.name, '--reason', 'monday')).code).toBe(0);
  expect((await typed('rollout', 'status', 'receptionist')).code).toBe(3);
  expect((await typed('rollout', 'unhold', 'receptionist', '--reason', 'it is monday')).code).toBe(0);
  expect((await typed('rollout', 'history', 'receptionist')).out).toMatch(/Held → Progressing {2}Admitted by \S+: /);
  expect((await typed('rollout', 'get', 'nobody')).code).toBe(3);
});

test('the operator is killed on the way back, and what was aborted has no offer any more', async () => {
  const running = await inPhase('receptionist-2', 'Progressing');
  const aborted = tell(running, 'abort');
  await stage.operator.kill();
  await stage.operator.start();
  expect((await aborted).status).toMatchObject({ state: 'Done' });
  const ended = await inPhase('receptionist-2', 'RolledBack');
  expect(ended.status).toMatchObject({
    reason: 'AbortedByUser',
    verdict: 'Cancelled',
    weight: { desiredBps: 0, observedBps: 0 },
  });
  await until('no offer', async () => ((await snapshot())?.rollout === undefined ? true : undefined), soonMs);
  expect(await snapshot()).toMatchObject({ bundle: 'receptionist-1' });
  expect(await condition('agent receptionist', 'Released')).toMatchObject({ status: 'False', reason: 'RolledBack' });
});

test('applying again starts nothing; retry makes another attempt, which people promote past doubt', async () => {
  await wants('receptionist-2');
  const ended = await inPhase('receptionist-2', 'RolledBack');
  expect((await tell(ended, 'retry')).status).toMatchObject({ state: 'Done' });
  await provisioned('receptionist-2', 2);
  const again = await inPhase('receptionist-2', 'Progressing', 2);
  expect((await tell(again, 'promote')).status).toMatchObject({ state: 'Done' });
  const done = await inPhase('receptionist-2', 'Completed', 2);
  expect(done.status).toMatchObject({ forced: 'bob', promoted: true, verdict: 'Cancelled' });
  expect((await rollouts()).length).toBe(3);
  await until(
    'it is stable',
    async () =>
      ((await snapshot())?.bundle === 'receptionist-2' && (await snapshot())?.rollout === undefined) || undefined,
    soonMs,
  );
});

test('a stage that asks for evidence is not skipped; a newer bundle takes its place, and one that was stable comes back at once', async () => {
  await wants('receptionist-3');
  await provisioned('receptionist-3');
  const running = await inPhase('receptionist-3', 'Progressing');
  expect((await tell(running, 'skip')).status).toMatchObject({
    state: 'Refused',
    message: expect.stringContaining('positive evidence') as string,
  });
  await wants('receptionist-1');
  await inPhase('receptionist-3', 'Superseded');
  const back = await inPhase('receptionist-1', 'Completed', 2);
  expect(back.spec.fast).toBe(true);
  expect(await snapshot()).toMatchObject({ bundle: 'receptionist-1' });
});
