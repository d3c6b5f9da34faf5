// The operator between people and the journal: runs, escalations, decisions. The engine is played by a responder on the real
// bus; everything else is real.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNats, type NatsBus } from '../../adapters/nats/nats.ts';
import type {
  CancelRequest,
  DecideRequest,
  EngineReply,
  FreezeRequest,
  StartRequest,
} from '../../api/messages/asks.ts';
import { SignalboxError } from '../../api/errors.ts';
import type { EscalationRecord, RunSummary } from '../../api/messages/history.ts';
import { type EngineVerb, engineSubject } from '../../api/messages/subjects.ts';
import { partitionOf, runIdFor } from '../../core/workflow/partition.ts';
import type { Bucket, Request } from '../../ports/bus.ts';
import { condition, objectIn } from '../support/kubectl.ts';
import { digestA, digestB, runSummary } from '../support/objects.ts';
import { operatorStage } from '../support/operator-stage.ts';
import { until } from '../support/until.ts';

const namespace = 'default';
const stage = operatorStage();
const { applyAs } = stage;
const get = (what: string) => stage.get(namespace, what);
const object = objectIn(namespace);
let bus: NatsBus;
let runs: Bucket<RunSummary>;
let escalations: Bucket<EscalationRecord>;
beforeAll(async () => {
  bus = await connectNats({ url: stage.plane.nats.natsUrl, ...stage.plane.nats.users.engine, name: 'test-engine' });
  serveStands();
  runs = await bus.bucket('runs');
  escalations = await bus.bucket('escalations');
});
afterAll(async () => {
  await bus?.close();
});

/** What is answered now; other verbs are as if nobody served them. */
const stands = new Map<string, (request: Request) => Promise<unknown>>();
function serveStands(): void {
  const answer = async (request: Request): Promise<unknown> => {
    const stand = stands.get(request.subject.split('.').at(-1) ?? '');
    if (stand === undefined) throw new SignalboxError('BUS_UNREACHABLE', `nobody serves ${request.subject}`);
    return stand(request);
  };
  bus.serve('engine.*.*', answer, { maxParallel: 4 });
}

/** Answers one verb of all partitions as `answer` says; keeps what was asked. */
function engine<T>(verb: EngineVerb, answer: (asked: T) => Promise<EngineReply<unknown>>) {
  const asked: { readonly subject: string; readonly payload: T }[] = [];
  stands.set(verb, async ({ subject, payload }) => {
    asked.push({ subject, payload: payload as T });
    return answer(payload as T);
  });
  return { asked, stop: () => stands.delete(verb) };
}
const ok = { ok: true, result: {} } as const;

const workflow = object('Workflow', 'calls', {
  input: { type: 'object', properties: { callId: { type: 'string' } } },
  start: 'done',
  states: { done: { type: 'terminal', outcome: 'success' }, wait: { type: 'decision' } },
  transitions: [{ from: 'wait', to: 'done' }],
});
const simple = { ...workflow, spec: { ...workflow.spec, start: 'wait' } };

describe('a run', () => {
  beforeAll(async () => {
    await applyAs('ann', simple);
    await until('the workflow is accepted', async () => {
      return condition(await get('workflow calls'), 'Accepted')?.status === 'True' ? true : undefined;
    });
  });

  test('is started once, by its own id, in the name of who applied it', async () => {
    const stand = engine<StartRequest>('start', async () => ok);
    await applyAs('ann', {
      ...object('WorkflowRun', 'call-1', { workflowRef: { name: 'calls' }, input: { callId: 'c1' } }),
      metadata: { name: 'call-1', namespace, annotations: { 'signalbox.dev/requested-by': 'mallory' } },
    });
    await until('it is asked', async () => (stand.asked.length > 0 ? true : undefined));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    stand.stop();
    expect(stand.asked).toHaveLength(1);
    const [{ subject, payload }] = stand.asked as [{ subject: string; payload: StartRequest }];
    const { uid = '' } = (await get('workflowrun call-1'))?.metadata ?? {};
    expect(subject).toBe(engineSubject(partitionOf(payload.run, 4), 'start'));
    expect(payload).toMatchObject({
      namespace,
      workflow: 'calls',
      input: { callId: 'c1' },
      requestedBy: 'ann',
      source: 'object',
      object: { name: 'call-1', uid },
    });
  });

  test('is mirrored from the projection until it is closed', async () => {
    const run = (await get('workflowrun call-1'))?.status?.['run'] as string;
    const { uid = '' } = (await get('workflowrun call-1'))?.metadata ?? {};
    const seen = { run, namespace, object: { name: 'call-1', uid } };
    await runs.put(`${namespace}.${run}`, runSummary({ ...seen, costMicros: 70 }));
    const running = await until('Running', async () => {
      const one = await get('workflowrun call-1');
      return one?.status?.['status'] === 'Running' ? one : undefined;
    });
    expect(running.status).toMatchObject({ state: 'talk', costMicros: 70, workflowDigest: digestA });
    await runs.put(
      `${namespace}.${run}`,
      runSummary({ ...seen, status: 'Closed', outcome: 'success', closedAt: Date.now(), effects: 2 }),
    );
    const closed = await until('Closed', async () => {
      const one = await get('workflowrun call-1');
      return one?.status?.['status'] === 'Closed' && !one.metadata.finalizers?.length ? one : undefined;
    });
    expect(closed.status).toMatchObject({ outcome: 'success', effects: 2 });
    expect(condition(closed, 'Succeeded')?.status).toBe('True');
  });

  test('is asked for again until an engine answers, and over a killed operator', async () => {
    await applyAs('ann', object('WorkflowRun', 'call-2', { workflowRef: { name: 'calls' } }));
    await until('nobody answers', async () => {
      return condition(await get('workflowrun call-2'))?.reason === 'JournalUnavailable' ? true : undefined;
    });
    const run = (await get('workflowrun call-2'))?.status?.['run'];
    await stage.operator.kill();
    const stand = engine<StartRequest>('start', async () => ok);
    await stage.operator.start();
    await until('it is asked', async () => (stand.asked.length > 0 ? true : undefined));
    stand.stop();
    expect(stand.asked[0]?.payload.run).toBe(run);
  });

  test('that the engine refuses says why', async () => {
    const stand = engine<StartRequest>('start', async () => ({
      ok: false,
      code: 'INVALID_INPUT',
      message: 'input.callId must be string',
    }));
    await applyAs('ann', object('WorkflowRun', 'call-3', { workflowRef: { name: 'calls' }, input: { callId: 3 } }));
    const refused = await until('refused', async () => {
      const found = condition(await get('workflowrun call-3'));
      return found?.reason === 'InputInvalid' ? found : undefined;
    });
    expect(refused.message).toBe('The engine refused to start the run: input.callId must be string');
    stand.stop();
    await stage.plane.kubectl(['-n', namespace, 'delete', 'workflowrun', 'call-3', '--timeout=10s']);
  });

  test('that was started and ended another way is shown by an object with its key', async () => {
    const run = runIdFor(namespace, 'calls', 'order-7');
    let summary = runSummary({ run, namespace, costMicros: 70 });
    const stand = engine<StartRequest>('start', async () => ok);
    const shows = engine<{ run: string }>('show', async (asked) =>
      asked.run === run ? { ok: true, result: summary } : { ok: false, code: 'NOT_FOUND', message: 'no such run' },
    );
    await applyAs('ann', object('WorkflowRun', 'call-4', { workflowRef: { name: 'calls' }, key: 'order-7' }));
    const says = (status: string) =>
      until(status, async () => ((await get('workflowrun call-4'))?.status?.['status'] === status ? true : undefined));
    await says('Running');
    summary = runSummary({ run, namespace, status: 'Closed', outcome: 'success' });
    await says('Closed');
    stand.stop();
    shows.stop();
    expect(stand.asked.map(({ payload }) => payload.run)).toEqual([run]);
  });

  test('is frozen and resumed by spec.suspend, each time it is changed', async () => {
    const run = (await get('workflowrun call-2'))?.status?.['run'] as string;
    const seen = { run, namespace, object: { name: 'call-2', uid: 'u' } };
    await runs.put(`${namespace}.${run}`, runSummary(seen));
    const asked: FreezeRequest[] = [];
    const answer = (frozen: boolean) => async (payload: FreezeRequest) => {
      asked.push(payload);
      const { source, by, reason } = payload;
      await runs.put(
        `${namespace}.${run}`,
        runSummary({ ...seen, ...(frozen ? { status: 'Frozen', frozen: [{ source, by, reason }] } : {}) }),
      );
      return ok;
    };
    const both = [engine<FreezeRequest>('freeze', answer(true)), engine<FreezeRequest>('resume', answer(false))];
    for (const [suspend, status] of [
      [true, 'Frozen'],
      [false, 'Running'],
      [true, 'Frozen'],
      [false, 'Running'],
    ] as const) {
      await stage.plane.kubectl([
        '-n',
        namespace,
        'patch',
        'workflowrun',
        'call-2',
        '--type=merge',
        '-p',
        JSON.stringify({ spec: { suspend } }),
      ]);
      await until(`the object says ${status}`, async () =>
        (await get('workflowrun call-2'))?.status?.['status'] === status ? true : undefined,
      );
    }
    for (const stand of both) stand.stop();
    expect(asked.map(({ source, reason }) => `${source}: ${reason}`)).toEqual(
      [true, false, true, false].map((suspend) => `object: spec.suspend is ${suspend}`),
    );
  });

  test('is cancelled before its object goes', async () => {
    const run = (await get('workflowrun call-2'))?.status?.['run'] as string;
    const seen = { run, namespace, object: { name: 'call-2', uid: 'u' } };
    await runs.put(`${namespace}.${run}`, runSummary(seen));
    const stand = engine<CancelRequest>('cancel', async () => {
      await runs.put(`${namespace}.${run}`, runSummary({ ...seen, status: 'Closed', outcome: 'cancelled' }));
      return ok;
    });
    await stage.plane.kubectl(['-n', namespace, 'delete', 'workflowrun', 'call-2', '--timeout=10s']);
    stand.stop();
    expect(stand.asked[0]?.payload).toMatchObject({ run, by: 'workflowrun/call-2', reason: 'it was deleted' });
  });
});

describe('an escalation and its answer', () => {
  const id = 'run9-1';
  const record: EscalationRecord = {
    namespace,
    run: 'Run9',
    workflow: 'calls',
    requestedBy: 'ann',
    escalation: {
      id,
      signal: 'approval',
      action: 'approval',
      queue: 'desk',
      question: 'May it charge 100 cents?',
      evidence: ['the account is overdue'],
      proposal: { tool: 'charge', args: { cents: 100 } },
      digest: digestA,
      state: 'charge',
      deadline: Date.now() + 60_000,
    },
    costMicros: 5,
    openedAt: Date.now(),
    status: 'Open',
  };
  const decide = (name: string, spec: object) =>
    object('Decision', name, {
      escalationRef: { name: id },
      option: 'approve',
      reason: 'It is owed.',
      queue: 'desk',
      digest: digestA,
      ...spec,
    });

  test('becomes an object, and comes back when it is deleted', async () => {
    await escalations.put(`${namespace}.${id}`, record);
    const open = await until('Open', async () => {
      const one = await get(`escalation ${id}`);
      return one?.status?.['state'] === 'Open' ? one : undefined;
    });
    expect(open['spec']).toMatchObject({
      run: 'Run9',
      queue: 'desk',
      digest: digestA,
      proposal: { tool: 'charge', args: { cents: 100 } },
    });
    await stage.plane.kubectl(['-n', namespace, 'delete', 'escalation', id]);
    await until('it is back', async () =>
      (await get(`escalation ${id}`))?.status?.['state'] === 'Open' ? true : undefined,
    );
  });

  test.each([
    ['about something else', 'bob', { decidedBy: 'bob', digest: digestB }, 'DigestMismatch'],
    ['for another queue', 'bob', { decidedBy: 'bob', queue: 'night' }, 'NotEntitled'],
    ['by who asked for the run', 'ann', { decidedBy: 'ann' }, 'NotEntitled'],
  ])('an answer %s is refused without asking', async (what, user, spec, reason) => {
    const stand = engine<DecideRequest>('decide', async () => ok);
    const name = `wrong-${what.replaceAll(' ', '-')}`;
    await applyAs(user, decide(name, spec));
    const refused = await until('Refused', async () => {
      const one = await get(`decision ${name}`);
      return one?.status?.['state'] === 'Refused' ? one : undefined;
    });
    expect(condition(refused)?.reason).toBe(reason);
    stand.stop();
    expect(stand.asked).toEqual([]);
  });

  test('an answer is brought to the engine until it is taken, once', async () => {
    await applyAs('bob', decide('d1', { decidedBy: 'bob' }));
    await until('nobody answers', async () => {
      return condition(await get('decision d1'))?.reason === 'JournalUnavailable' ? true : undefined;
    });
    const stand = engine<DecideRequest>('decide', async () => {
      await escalations.put(`${namespace}.${id}`, {
        ...record,
        status: 'Decided',
        option: 'approve',
        decidedBy: 'bob',
        reason: 'It is owed.',
        decidedAt: Date.now(),
      });
      return ok;
    });
    const taken = await until('Accepted', async () => {
      const one = await get('decision d1');
      return one?.status?.['state'] === 'Accepted' ? one : undefined;
    });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    stand.stop();
    expect(stand.asked).toHaveLength(1);
    expect(stand.asked[0]?.payload).toEqual({
      namespace,
      run: 'Run9',
      escalation: id,
      queue: 'desk',
      option: 'approve',
      by: 'bob',
      reason: 'It is owed.',
      digest: digestA,
      decision: taken.metadata.uid,
    });
    const decided = await until('Decided', async () => {
      const one = await get(`escalation ${id}`);
      return one?.status?.['state'] === 'Decided' ? one : undefined;
    });
    expect(decided.status).toMatchObject({ option: 'approve', decidedBy: 'bob' });
    expect((await get('decision d1'))?.metadata.ownerReferences).toMatchObject([{ kind: 'Escalation', name: id }]);
  });

  test('a later answer is told that it came too late', async () => {
    const stand = engine<DecideRequest>('decide', async () => ({
      ok: false,
      code: 'STALE',
      message: 'Decided by bob before.',
    }));
    await applyAs('bob', decide('d2', { decidedBy: 'bob', option: 'reject' }));
    const late = await until('Refused', async () => {
      const one = await get('decision d2');
      return one?.status?.['state'] === 'Refused' ? one : undefined;
    });
    stand.stop();
    expect(late.status).toMatchObject({ message: 'Decided by bob before.' });
    expect(condition(late)?.reason).toBe('Superseded');
  });
});
