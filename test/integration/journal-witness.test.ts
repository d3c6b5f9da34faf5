// The whole store of nats-server is put back from an older copy while no engine lives: the operator's witness in Kubernetes
// makes it a loud stop, and a person may accept the loss. Real API server, nats-server, operator and engine.
import { cp, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectKube } from '../../adapters/kube/kube.ts';
import { run as cli } from '../../cli/program.ts';
import { partitionOf, runIdFor } from '../../core/workflow/partition.ts';
import { instancePaths } from '../../local/plane/paths.ts';
import { testHost } from '../support/cli-host.ts';
import { type EngineProcess, EngineStage } from '../support/engine-stage.ts';
import type { TestNats } from '../support/nats.ts';
import { startOperator, systemNamespace, type TestOperator } from '../support/operator.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';
import { until } from '../support/until.ts';
import { waitingFor } from '../support/waiting.ts';

const waitMs = 60_000;

let plane: TestPlane;
let operator: TestOperator;
let stage: EngineStage;
let store: string;

beforeAll(async () => {
  plane = await startPlane({ crds: true });
  operator = await startOperator(plane);
  store = instancePaths({ name: 'test', stateDir: dirname(plane.kubeconfig) }).nats;
  stage = await EngineStage.start({ nats: natsOf(plane) });
  await stage.workflow('waits', waitingFor());
});
afterAll(async () => {
  await stage?.stop();
  await operator?.stop();
  await plane?.stop();
});

/** The plane's own server. */
function natsOf({ nats, servers }: TestPlane): TestNats {
  const nothing = (): Promise<void> => Promise.resolve();
  const crash = async (): Promise<void> => void servers.kill('nats-server');
  return {
    url: nats.natsUrl,
    monitorUrl: nats.monitorUrl,
    store,
    pid: () => undefined,
    control: nats.users.operator,
    work: nats.users['operator-work'],
    crash,
    kill: crash,
    start: nothing,
    stop: nothing,
  };
}

/** What lies in the ConfigMap, and its version. */
async function kept(): Promise<{ readonly version: string; readonly data: Readonly<Record<string, string>> }> {
  const words = ['get', 'configmap', 'signalbox-journal-witness', '-n', systemNamespace, '-o', 'json'];
  const { data = {}, metadata } = JSON.parse(await plane.kubectl(words)) as {
    readonly data?: Record<string, string>;
    readonly metadata: { readonly resourceVersion: string };
  };
  return { data, version: metadata.resourceVersion };
}
const keptSeq = async (partition: number): Promise<number> => {
  const text = (await kept()).data[`p${partition}`];
  return text === undefined ? 0 : (JSON.parse(text) as { seq: number }).seq;
};

async function endOf(partition: number): Promise<number> {
  return (await stage.control.manager.streams.info(`JOURNAL_${partition}`)).state.last_seq;
}

const untilKept = (partition: number): Promise<true> =>
  until(
    'Kubernetes knows the end of the journal',
    async () => ((await keptSeq(partition)) === (await endOf(partition)) ? true : undefined),
    waitMs,
  );

const answered = async (run: string): Promise<string> => {
  const reply = await stage.ask(run, 'show', { run });
  return reply.ok ? 'ok' : `${reply.code}: ${reply.message}`;
};
const untilAnswered = (run: string, what: string): Promise<true> =>
  until(what, async () => ((await answered(run)).includes(what) ? true : undefined), waitMs);

async function accept(
  partition: number,
): Promise<{ readonly code: number; readonly out: string; readonly error: string }> {
  const { host, out, error } = testHost({
    connect: (access, timeoutMs) => Promise.resolve(connectKube({ access, component: 'cli', timeoutMs })),
    environment: { KUBECONFIG: plane.kubeconfig },
  });
  const code = await cli(host, ['journal', 'accept-loss', String(partition), '--reason', 'no newer copy']);
  return { code, out: out(), error: error() };
}

const events = (reason: string): Promise<string> =>
  plane
    .kubectl([
      'get',
      'events',
      '-n',
      systemNamespace,
      '-o',
      'jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}',
    ])
    .then((text) =>
      text
        .split('\n')
        .filter((line) => line.startsWith(`${reason}: `))
        .join('\n'),
    );

/** Runs of the same partition. */
async function begin(partition: number, count: number, tag: string): Promise<readonly string[]> {
  const runs: string[] = [];
  for (let index = 0; runs.length < count; index += 1) {
    const key = `${tag}-${index}`;
    const run = runIdFor('clinic', 'waits', key);
    if (partitionOf(run, 2) === partition) runs.push(await stage.begin('waits', { id: key }, { run, key }));
  }
  return runs;
}

/** nats-server comes up again with what lies at `copy`. */
async function putBack(copy: string): Promise<void> {
  await rename(store, `${store}-newer`);
  await rename(copy, store);
  const back = new Promise<void>((resolve) => stage.control.onReconnect(resolve));
  plane.servers.kill('nats-server');
  await back;
}

test('a store that was put back while no engine lived is a loud stop, until a person accepts the loss', async () => {
  const partition = 1;
  let engine: EngineProcess = stage.engineProcess('engine-a');
  const [old = ''] = await begin(partition, 1, 'old');
  await untilKept(partition);
  expect((await accept(partition)).error).toContain('no loss was found in partition 1');
  await engine.kill();
  await cp(store, `${store}-old`, { recursive: true });

  engine = stage.engineProcess('engine-b');
  const lost = await begin(partition, 3, 'lost');
  await untilKept(partition);
  const committed = await keptSeq(partition);
  const { version } = await kept();
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  expect((await kept()).version, 'nothing is written at rest').toBe(version);
  await engine.kill();
  await operator.kill();
  await putBack(`${store}-old`);

  // The engine is first, and finds nothing wrong: all that it can read is of the same age.
  engine = stage.engineProcess('engine-c');
  await untilAnswered(old, 'ok');
  await operator.start();
  await untilAnswered(lost[0] ?? '', 'JOURNAL_ROLLED_BACK');
  for (const run of [old, ...lost]) expect(await answered(run)).toContain(`record ${committed} was committed`);
  await until('an event tells it', async () => ((await events('JournalRolledBack')) === '' ? undefined : true));
  expect(operator.lines.join('\n')).toContain('signalbox journal accept-loss 1');
  expect(await keptSeq(partition), 'never backwards').toBe(committed);

  // One that was not there before hears it, too.
  await engine.kill();
  engine = stage.engineProcess('engine-d');
  await untilAnswered(lost[0] ?? '', 'JOURNAL_ROLLED_BACK');

  const accepted = await accept(partition);
  expect(accepted).toMatchObject({ code: 0, out: expect.stringContaining(`record ${committed} was committed`) });
  await untilAnswered(old, 'ok');
  expect(await answered(lost[0] ?? '')).toContain('NOT_FOUND');
  await until('an event tells who accepted', async () =>
    (await events('JournalLossAccepted')).includes('no newer copy') ? true : undefined,
  );
  expect(operator.lines.join('\n')).toContain('accepted that the journal ends');
  await begin(partition, 1, 'after');
  await untilKept(partition);
  expect(await keptSeq(partition)).toBe(await endOf(partition));
  await engine.kill();
});
