// What is given up: kept, counted, asked about once, tried again or dropped; and runs that only a newer engine can go on with.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { natsJournal } from '../../adapters/nats/nats.ts';
import type { DeadLetter } from '../../api/messages/dead-letter.ts';
import type { EscalationRecord, HistoryEvent } from '../../api/messages/history.ts';
import { buckets, catalogKeys } from '../../api/messages/subjects.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { textOf } from '../../core/journal/record-text.ts';
import type { GivenUp } from '../../core/dead-letter/letter.ts';
import { lettersRun } from '../../core/escalation/notice.ts';
import { initialState, type RunState } from '../../core/workflow/state.ts';
import { lostMax } from '../../core/workflow/poison.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { Engine } from '../../runtime/engine/engine.ts';
import { engineApi } from '../../runtime/engine/http/api.ts';
import { ParkedRuns } from '../../runtime/engine/parked.ts';
import type { EnginePorts } from '../../runtime/engine/ports.ts';
import { EngineStage, namespace, partitions } from '../support/engine-stage.ts';
import { until } from '../support/until.ts';
import type { Desk } from '../support/worker-desk.ts';

let stage: EngineStage;
let engine: Engine;
let ports: EnginePorts;
let server: Server;
let base: string;

const spec: WorkflowSpec = {
  input: { type: 'object' },
  triggers: [{ event: { subject: 'calls.received' } }],
  start: 'work',
  states: {
    work: {
      type: 'task',
      agent: 'clerk',
      goal: 'Go.',
      timeout: '10m',
      backup: 'none',
      exits: { error: 'no', timeout: 'no' },
    },
    yes: { type: 'terminal', outcome: 'success' },
    no: { type: 'terminal', outcome: 'refused' },
  },
  transitions: [{ from: 'work', to: 'yes' }],
};
const done = (desk: Desk): Promise<void> => desk.complete({ ok: true }).then(() => undefined);

beforeAll(async () => {
  stage = await EngineStage.start();
  ({ engine, ports } = await stage.engine());
  await stage.agent('clerk');
  await stage.agent('breaker');
  await stage.workflow('visit', spec);
  const { work } = spec.states;
  await stage.workflow('breaks', {
    ...spec,
    triggers: [],
    states: { ...spec.states, work: { ...work!, agent: 'breaker' } },
  });
  server = createServer(engineApi({ engine, ports, callers: { admit: () => Promise.resolve('ann') } }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/namespaces/${namespace}`;
});

afterAll(async () => {
  await new Promise((resolve) => server?.close(resolve));
  await stage?.stop();
});

async function http<T>(method: string, path: string, body?: object): Promise<{ status: number; body: T }> {
  const answer = await fetch(base + path, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as T };
}

const letter = (item: string, more: Partial<GivenUp> = {}): GivenUp => ({
  namespace,
  reason: 'failing',
  origin: { kind: 'event', name: 'calls.received', item },
  cause: { code: 'NOT_FOUND', message: 'no agent' },
  ...more,
});
const event = (id: string) => ({ id, namespace, subject: 'calls.received', key: '', payload: {} });

async function record(id: string): Promise<EscalationRecord | undefined> {
  const bucket = await stage.control.bucket<EscalationRecord>(buckets.escalations);
  return (await bucket.get(`${namespace}.${id}`))?.value;
}
const said = (id: string, status: EscalationRecord['status']): Promise<EscalationRecord> =>
  until(
    `question ${id} is ${status}`,
    async () => {
      const found = await record(id);
      return found?.status === status ? found : undefined;
    },
    60_000,
  );
const gauge = async (reason: string): Promise<number> => {
  const { body } = await ports.metrics.render();
  return Number(new RegExp(`signalbox_dead_letters\\{reason="${reason}"\\} (\\d+)`).exec(body)?.[1]);
};

describe('dead letters', () => {
  test('one question per group, a gauge, a retry that starts the run, and a drop; each with its reason', async () => {
    const [first, second] = [
      await ports.deadLetters.note(letter('e1'), event('e1')),
      await ports.deadLetters.note(letter('e2'), event('e2')),
    ];
    expect(second.group).toBe(first.group);
    const question = await said(lettersRun(first.group), 'Open');
    expect(question.escalation).toMatchObject({
      signal: 'deadLetter',
      queue: 'default',
      question: expect.stringContaining('Given up (failing), event calls.received: no agent.'),
    });
    expect(question.escalation.evidence).toContain(`letter ${second.id}: e2, NOT_FOUND`);
    await until('the gauge', async () => ((await gauge('failing')) === 2 ? true : undefined));

    const listed = await http<{ items: DeadLetter[] }>('GET', '/deadletters?reason=failing');
    expect(listed.body.items.map(({ id }) => id).toSorted()).toEqual([first.id, second.id].toSorted());
    expect((await http<DeadLetter>('GET', `/deadletters/${first.id}`)).body).toEqual(first);

    stage.worker('clerk', done);
    const retried = await http<DeadLetter>('POST', `/deadletters/${first.id}/retry`, { reason: 'agent is back' });
    expect(retried.body).toMatchObject({ state: 'Retried', decided: { by: 'ann', reason: 'agent is back' } });
    const runs = await until('the event has started its run', async () => {
      const { body } = await http<{ items: { status: string }[] }>('GET', '/runs?workflow=visit');
      return body.items.some(({ status }) => status === 'Closed') ? body.items : undefined;
    });
    expect(runs).toHaveLength(1);
    expect((await http('POST', `/deadletters/${first.id}/drop`, { reason: 'x' })).status).toBe(409);
    expect((await http('POST', `/deadletters/${second.id}/drop`, {})).status).toBe(400);
    expect((await record(lettersRun(first.group)))?.status).toBe('Open');

    await http('POST', `/deadletters/${second.id}/drop`, { reason: 'not needed' });
    const answered = await said(lettersRun(first.group), 'Decided');
    expect(answered).toMatchObject({ decidedBy: 'ann', reason: 'not needed', option: 'reject' });
    await until('the gauge', async () => ((await gauge('failing')) === 0 ? true : undefined));
  });

  test('the answer to the question decides every letter of the group; given up again, it is asked again', async () => {
    const { group } = await ports.deadLetters.note(
      letter('e3', { cause: { code: 'TIMEOUT', message: 'late' } }),
      event('e3'),
    );
    const { escalation, run } = await said(lettersRun(group), 'Open');
    const decision = { ...decide(escalation), run, option: 'approve' };
    expect(await stage.ask(run, 'decide', decision)).toEqual({ ok: true, result: { letters: 1 } });
    await said(lettersRun(group), 'Decided');
    expect(await stage.ask(run, 'decide', decision)).toMatchObject({ ok: false, code: 'STALE' });
    await ports.deadLetters.note(letter('e3', { cause: { code: 'TIMEOUT', message: 'late' } }));
    await said(lettersRun(group), 'Open');
    await stage.ask(run, 'decide', { ...decision, option: 'reject' });
    await said(lettersRun(group), 'Decided');
  });

  test('an event that does not fit the workflow it triggers is kept, and starts its run when it fits', async () => {
    const input = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };
    const strict = { ...spec, input, triggers: [{ event: { subject: 'strict' } }] };
    await stage.workflow('strict', strict);
    await stage.event('strict', '', { n: 'one' }, 'misfit');
    const found = await until('the letter', async () => {
      const { body } = await http<{ items: DeadLetter[] }>('GET', '/deadletters?reason=unstartable');
      return body.items.find(({ origin }) => origin.item === 'misfit');
    });
    expect(found).toMatchObject({ cause: { code: 'INVALID_INPUT' }, origin: { workflow: 'strict', name: 'strict' } });
    await stage.workflow('strict', { ...strict, input: { type: 'object' } });
    await http('POST', `/deadletters/${found.id}/retry`, { reason: 'any n is taken now' });
    await until('its run', async () => {
      const { body } = await http<{ items: unknown[] }>('GET', '/runs?workflow=strict');
      return body.items.length === 1 ? true : undefined;
    });
  });

  test('what cannot be tried again says so and stays open', async () => {
    const malformed = await ports.deadLetters.note(letter('x', { reason: 'malformed' }), '{"id":');
    const answer = await http<{ code: string; message: string }>('POST', `/deadletters/${malformed.id}/retry`, {
      reason: 'r',
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
    expect(answer.body.message).toContain('send it again in the right form');
    expect((await http<DeadLetter>('GET', `/deadletters/${malformed.id}`)).body.state).toBe('Open');
  });

  test('an activity that kills its workers fails as poison, and people are told', async () => {
    const run = await stage.begin('breaks');
    for (let n = 0; n < lostMax; n += 1) {
      const worker = stage.worker('breaker', () => {
        worker.die();
        return new Promise(() => undefined);
      });
      await until(
        `worker ${n + 1} is lost`,
        async () => {
          const lost = (await stage.types(run)).filter((type) => type === 'WorkerLost').length;
          return lost > n ? true : undefined;
        },
        60_000,
      );
    }
    expect(await stage.closed(run)).toMatchObject({ outcome: 'refused' });
    const events = await stage.history(run);
    expect(events.filter(({ type }) => type === 'WorkerLost')).toHaveLength(lostMax);
    expect(events.find(({ type }) => type === 'ActivityFailed')).toMatchObject({ failure: { code: 'POISON' } });
    const { body } = await http<{ items: DeadLetter[] }>('GET', '/deadletters?reason=poison');
    expect(body.items).toMatchObject([{ origin: { kind: 'activity', name: 'breaker', run, workflow: 'breaks' } }]);
    await said(lettersRun(body.items[0]?.group ?? ''), 'Open');
  });
});

const decide = (escalation: EscalationRecord['escalation']) => ({
  namespace,
  escalation: escalation.id,
  queue: escalation.queue,
  by: 'bob',
  reason: 'looked at it',
  digest: escalation.digest,
  decision: 'uid-1',
});

describe('what only a newer engine knows', () => {
  test('an event of an unknown type parks its run, nothing is added to it, and people are told', async () => {
    const waiting = await stage.begin('breaks', {}, { key: 'parked' });
    const future = { seq: 4, at: Date.now(), cause: 'future', type: 'FromTheFuture' } as unknown as HistoryEvent;
    await append(partitionOf(waiting, partitions), waiting, future);
    await meetFence(partitionOf(waiting, partitions));
    const question = await said(`${waiting}-parked`.toLowerCase(), 'Open');
    expect(question.escalation).toMatchObject({
      signal: 'unknownVersion',
      question: expect.stringContaining('is of type FromTheFuture, which this engine does not know; run a newer one'),
    });
    expect((await stage.show(waiting)).message).toMatch(/^Parked: event 4 is of type FromTheFuture/);
    const before = (await stage.history(waiting)).length;
    const cancel = await engine.owners.ask(waiting, 'cancel', { namespace, run: waiting, by: 'ann', reason: 'stop' });
    expect(cancel).toMatchObject({ ok: false, code: 'STALE', message: expect.stringContaining('run a newer one') });
    expect((await stage.history(waiting)).length).toBe(before);
  });

  test('a newer engine closes the question of an older one', async () => {
    const options = { bus: stage.control, log: ports.log, catalog: engine.catalog, partition: 0, partitions: 1 };
    const state: RunState = { ...initialState('RunOfTheFuture'), namespace, workflow: 'visit', seq: 7 };
    const older = new ParkedRuns(options);
    older.look({ ...state, parked: 'event 7 is new', parkedAt: 5 }, true);
    await older.tell();
    expect(await record('runofthefuture-parked')).toMatchObject({ status: 'Open', openedAt: 5 });
    const newer = new ParkedRuns(options);
    newer.look(state, true);
    await newer.tell();
    expect(await record('runofthefuture-parked')).toMatchObject({ status: 'Closed' });
  });

  test('a run whose workflow is lost waits with a question, and goes on by itself when it is there again', async () => {
    const { work } = spec.states;
    const { digest } = await stage.workflow('lost', {
      ...spec,
      triggers: [],
      states: { ...spec.states, work: { ...work!, agent: 'breaker' } },
    });
    const run = await stage.begin('lost');
    const catalog = await stage.control.bucket<unknown>(buckets.catalog);
    const pinned = (await catalog.get(catalogKeys.workflowAt(digest)))?.value;
    await catalog.delete(catalogKeys.workflow(namespace, 'lost'));
    await catalog.delete(catalogKeys.workflowAt(digest));
    await until('the engine has forgotten it', () =>
      Promise.resolve(engine.catalog.definition(digest) === undefined ? true : undefined),
    );
    await meetFence(partitionOf(run, partitions));
    const question = await said(`${run}-parked`.toLowerCase(), 'Open');
    expect(question.escalation.question).toContain(`workflow lost at ${digest} is not in the catalog`);
    await catalog.put(catalogKeys.workflowAt(digest), pinned);
    await said(`${run}-parked`.toLowerCase(), 'Closed');
    expect(await stage.ask(run, 'cancel', { namespace, run, by: 'ann', reason: 'seen' })).toMatchObject({ ok: true });
  });

  test('a workflow with a state that only a newer engine knows starts no run, and says why', async () => {
    const states = { ...spec.states, work: { type: 'teleport' } as never };
    await stage.workflow('future', { ...spec, triggers: [], states });
    const start = { run: 'FutureRun', namespace, workflow: 'future', input: {}, requestedBy: 'ann', source: 'http' };
    const message = expect.stringContaining('is of type teleport, which this engine does not know; run a newer one');
    expect(await engine.owners.ask('FutureRun', 'start', start)).toMatchObject({ ok: false, message });
  });
});

/** Makes the owner of a partition fold it again: somebody else writes behind its back, and it writes next. */
async function meetFence(partition: number): Promise<void> {
  const stranger = `Stranger${partition}x${Date.now()}`;
  await append(partition, stranger, {
    seq: 1,
    at: Date.now(),
    cause: 'x',
    type: 'CancelRequested',
    by: 'x',
    reason: 'x',
  });
  const other = await anotherRunOf(partition);
  await stage.ask(other, 'cancel', { namespace, run: other, by: 'ann', reason: 'meets the fence' });
}

async function append(partition: number, run: string, event: HistoryEvent): Promise<void> {
  const journal = await natsJournal(stage.control).partition(partition);
  const at = await journal.lastSeq();
  const prev = (await journal.at(at))?.digest ?? '';
  const id = `stray-${run}-${event.seq}`;
  const record = textOf({ v: 1, id, owner: 'stranger', epoch: 0, prev, runs: [{ run, events: [event] }] });
  await journal.append(record, at);
}

async function anotherRunOf(partition: number): Promise<string> {
  for (let n = 0; ; n += 1) {
    const run = `Other${n}x${Date.now()}`;
    if (partitionOf(run, partitions) !== partition) continue;
    // It is begun by whoever serves the partition then: before or after the reload.
    return stage.begin('breaks', {}, { run });
  }
}
