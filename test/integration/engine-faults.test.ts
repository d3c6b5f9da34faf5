// Faults taken on purpose, on real processes: each test says what was killed and that something had been at work.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { connectNats, type NatsBus, natsJournal, natsPresence } from '../../adapters/nats/nats.ts';
import type { ClaimReply, ReportReply } from '../../api/messages/asks.ts';
import {
  askEngine,
  bundleToken,
  engineSubject,
  presenceSubject,
  type WorkerEngineVerb,
} from '../../api/messages/subjects.ts';
import { textOf } from '../../core/journal/record-text.ts';
import { checkpointPolicy } from '../../core/journal/checkpoint.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { storageDefault } from '../../runtime/engine/ports.ts';
import { EngineStage, namespace, partitions } from '../support/engine-stage.ts';
import type { Script } from '../support/worker-desk.ts';

let stage: EngineStage;
beforeEach(async ({ task }) => {
  stage = await EngineStage.start(task.name.startsWith('a journal') ? { journalBytesMax: 120_000 } : {});
});
afterEach(async () => {
  await stage.stop();
});

const exits = { error: 'failed', timeout: 'failed' };
const steps = (count: number): WorkflowSpec => {
  const names = Array.from({ length: count }, (_, index) => `step${index}`);
  const states = Object.fromEntries(
    names.map((name) => [
      name,
      { type: 'task', agent: 'clerk', goal: 'Go on.', timeout: '60s', backup: 'none', exits },
    ]),
  );
  return {
    input: { type: 'object' },
    start: 'step0',
    states: {
      ...states,
      done: { type: 'terminal', outcome: 'success' },
      failed: { type: 'terminal', outcome: 'failed' },
    },
    transitions: names.map((from, index) => ({ from, to: names[index + 1] ?? 'done' })),
  } as WorkflowSpec;
};

/** Two turns and a result for each step. */
const diligent: Script = async (desk) => {
  const from = desk.work.turns.length + 1;
  for (let turn = from; turn <= 2; turn += 1) {
    if ((await desk.report(desk.turn(turn))).kind !== 'Go') return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await desk.complete({ [desk.work.state]: true });
};

/** No event is lost, doubled or out of place. */
function expectWhole(events: readonly HistoryEvent[], taskSteps: number): void {
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
  expect(events.filter((event) => event.type === 'ActivityCompleted')).toHaveLength(taskSteps);
  expect(events.filter((event) => event.type === 'TurnCompleted')).toHaveLength(2 * taskSteps);
  expect(events.at(-1)?.type).toBe('RunClosed');
}

test('a worker whose connection is gone is missed by that alone: it goes on saying that it lives', async () => {
  const bundle = await stage.agent('clerk');
  await stage.workflow('steps', steps(1));
  await stage.engine();
  const run = await stage.begin('steps');
  const identity = { namespace, agent: 'clerk', bundle: bundleToken(bundle.digest) };
  const say = (bus: NatsBus, verb: WorkerEngineVerb) =>
    bus.request<ClaimReply | ReportReply>(
      askEngine(identity, partitionOf(run, partitions), verb),
      { run, activity: 'step0.1', attempt: 1, worker: 'lost', present: true },
      3_000,
    );
  const own = await connectNats({ url: stage.nats.url, ...stage.nats.work, name: 'lost' });
  natsPresence(own).show(presenceSubject(namespace, 'lost'));
  await expect.poll(async () => (await say(own, 'claim')).kind).toBe('Work');
  // Longer than it takes to miss a worker: its connection is seen, and so it keeps what it has.
  for (let beats = 0; beats < 10; beats += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await say(own, 'heartbeat')).toEqual({ kind: 'Go' });
  }
  const taken = Promise.withResolvers<void>();
  stage.worker('clerk', async (desk) => {
    taken.resolve();
    await desk.complete({});
  });
  await own.close();
  const beating = setInterval(() => void say(stage.work, 'heartbeat').catch(() => undefined), 200);
  try {
    await taken.promise;
    expect((await stage.closed(run)).outcome).toBe('success');
  } finally {
    clearInterval(beating);
  }
});

const startMany = (count: number): Promise<readonly string[]> =>
  Promise.all(Array.from({ length: count }, () => stage.begin('steps')));

/** The server's own words: which record numbers of the two partitions are there. */
async function records(): Promise<number> {
  const journal = natsJournal(stage.control);
  const ends = await Promise.all([0, 1].map(async (number) => (await journal.partition(number)).lastSeq()));
  return ends.reduce((sum, end) => sum + end, 0);
}

/** The bounds of memory that the Deployment gives Node. */
async function asShipped(): Promise<Readonly<Record<string, string>>> {
  const deployment = await readFile(join(import.meta.dirname, '..', '..', 'deploy', 'engine.yaml'), 'utf8');
  const found = /name: NODE_OPTIONS, value: (.+) \}/.exec(deployment)?.[1];
  if (found === undefined) throw new Error('deploy/engine.yaml sets no NODE_OPTIONS');
  return { NODE_OPTIONS: found };
}

test('kill -9 of the engine in mid-run: the next one goes on, no run is lost, no event is doubled', async () => {
  await stage.agent('clerk', diligent);
  await stage.workflow('steps', steps(6));
  const first = stage.engineProcess('engine-a');
  const runs = await startMany(12);
  await expect.poll(records).toBeGreaterThan(20);
  await first.kill();
  const before = await records();
  const second = stage.engineProcess('engine-b', await asShipped(), 'dist/engine.mjs');
  for (const run of runs) expect(await stage.closed(run, 40_000)).toMatchObject({ outcome: 'success' });
  for (const run of runs) expectWhole(await stage.history(run), 6);
  expect(await records()).toBeGreaterThan(before);
  expect(await second.rssMiB()).toBeLessThan(160);
});

test('kill -9 of nats-server: journal and runs survive, tasks and consumers are made again', async () => {
  await stage.agent('clerk', diligent);
  await stage.workflow('steps', steps(5));
  await stage.engine();
  const runs = await startMany(8);
  await expect.poll(records).toBeGreaterThan(10);
  await stage.nats.crash();
  for (const run of runs) expect(await stage.closed(run, 40_000)).toMatchObject({ outcome: 'success' });
  for (const run of runs) expectWhole(await stage.history(run), 5);
});

test('a worker that dies silently: another goes on after the last turn, within seconds', async () => {
  const stuck = Promise.withResolvers<void>();
  await stage.agent('clerk');
  await stage.workflow('steps', steps(1));
  const dying = stage.worker('clerk', async (desk) => {
    await desk.report(desk.turn(1));
    stuck.resolve();
    await new Promise(() => undefined);
  });
  await stage.engine();
  const run = await stage.begin('steps');
  await stuck.promise;
  dying.die();
  const diedAt = Date.now();
  const seen: number[] = [];
  stage.worker('clerk', async (desk) => {
    seen.push(desk.work.turns.length);
    await diligent(desk);
  });
  expect(await stage.closed(run)).toMatchObject({ outcome: 'success', attempts: 1 });
  expect(seen).toEqual([1]);
  expect(Date.now() - diedAt).toBeLessThan(6_000);
  expectWhole(await stage.history(run), 1);
});

test('a stale owner is fenced: what it decides is never a fact', async () => {
  await stage.agent('clerk');
  await stage.workflow('steps', steps(1));
  await stage.engine('engine-a');
  const run = await stage.begin('steps');
  const journal = await natsJournal(stage.control).partition(partitionOf(run, 2));
  const at = await journal.lastSeq();
  // Somebody else writes to the partition behind the owner's back.
  const stray = { seq: 4, at: Date.now(), cause: 'other', type: 'ReadOnlySet', rule: 'other' } as const;
  const prev = (await journal.at(at))?.digest ?? '';
  const record = textOf({ v: 1, id: 'stray', owner: 'other', epoch: 0, prev, runs: [{ run, events: [stray] }] });
  await journal.append(record, at);
  const cancel = { namespace: 'clinic', run, by: 'ann', reason: 'enough' };
  // The first try meets the fence and is answered NOT_OWNER; after the reload it is taken.
  expect(await stage.ask(run, 'cancel', cancel)).toMatchObject({ ok: true });
  const events = await stage.history(run);
  expect(events.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(events.slice(3).map((event) => event.type)).toEqual(['ReadOnlySet', 'CancelRequested', 'RunClosed']);
});

test('an owner that does not know of another one tells nobody no: what is in the journal is found', async () => {
  await stage.agent('clerk');
  await stage.workflow('steps', steps(1));
  await stage.engine('engine-a');
  const run = await stage.begin('steps');
  const partition = partitionOf(run, partitions);
  const journal = await natsJournal(stage.control).partition(partition);
  const [started] = await stage.history(run);
  const others = Array.from({ length: 64 }, (_, index) => `other${index}`);
  const other = others.find((name) => partitionOf(name, partitions) === partition) ?? '';
  const at = await journal.lastSeq();
  const prev = (await journal.at(at))?.digest ?? '';
  const events = [{ ...started, cause: 'start/other' } as HistoryEvent];
  const stray = { v: 1, id: 'stray', owner: 'other', epoch: at, prev, runs: [{ run: other, events }] } as const;
  await journal.append(textOf(stray), at);
  const subject = engineSubject(partition, 'show');
  const first = await stage.control.request<{ readonly code?: string }>(subject, { run: other }, 3_000);
  expect(first.code).not.toBe('NOT_FOUND');
  expect(await stage.ask(other, 'show', { run: other })).toMatchObject({ ok: true, result: { run: other } });
  // Nobody has written this one: that it is not there is the truth.
  expect(await stage.ask(`${other}x`, 'show', { run: `${other}x` })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
});

test('two engines: the second takes over when the first stops answering', async () => {
  await stage.agent('clerk', diligent);
  await stage.workflow('steps', steps(3));
  const first = stage.engineProcess('engine-a');
  await stage.begin('steps');
  const second = stage.engineProcess('engine-b');
  const runs = await startMany(6);
  process.kill(first.pid, 'SIGSTOP');
  for (const run of runs) expect(await stage.closed(run, 40_000)).toMatchObject({ outcome: 'success' });
  process.kill(first.pid, 'SIGCONT');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const later = await stage.begin('steps');
  expect(await stage.closed(later, 20_000)).toMatchObject({ outcome: 'success' });
  for (const run of [...runs, later]) expectWhole(await stage.history(run), 3);
  expect(second.log()).toContain('serving a partition');
});

test('a journal that is nearly full refuses starts, and can still write a cancel', async () => {
  await stage.agent('clerk');
  await stage.workflow('steps', steps(1));
  // Without checkpoints, which would make room: as when the archive is full.
  await stage.engine('engine', { ...storageDefault, checkpoint: { ...checkpointPolicy, fullness: 2 } });
  const begun: string[] = [];
  const fill = async (): Promise<string> => {
    for (let times = 0; times < 400; times += 1) {
      try {
        begun.push(await stage.begin('steps', { text: 'x'.repeat(1_000) }));
        await new Promise((resolve) => setTimeout(resolve, 25));
      } catch (error) {
        return (error as Error).message;
      }
    }
    return 'never refused';
  };
  expect(await fill()).toMatch(/JOURNAL_FULL: partition \d: its journal is \d+ % full/);
  expect(begun.length).toBeGreaterThan(10);
  for (const run of begun.slice(0, 5)) {
    const cancel = { namespace: 'clinic', run, by: 'ann', reason: 'make room' };
    expect(await stage.ask(run, 'cancel', cancel)).toMatchObject({ ok: true });
    expect(await stage.closed(run)).toMatchObject({ outcome: 'cancelled' });
  }
});
