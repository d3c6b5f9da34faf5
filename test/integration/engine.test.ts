import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { buckets, catalogKeys, startSubject } from '../../api/messages/subjects.ts';
import { type VersionReport, versionReportKey } from '../../api/messages/versions.ts';
import type { ReportReply } from '../../api/messages/asks.ts';
import type { EscalationRecord, RunSummary } from '../../api/messages/history.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { callDigest } from '../../core/permission/digest.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { type Desk, EngineStage, namespace, partitions } from '../support/engine-stage.ts';

/** What the gateway signs about a call whose result was empty. */
const receiptOf = (tool: string, about: string) =>
  ({ kind: 'tool', name: tool, digest: about, result: digest({}) }) as const;

let stage: EngineStage;

/** Per agent and run: what its worker does; a test sets it before it starts a run. */
const scripts = new Map<string, (desk: Desk) => Promise<void>>();
const scripted = (desk: Desk): Promise<void> => {
  const script = scripts.get(desk.work.run.workflow);
  return script === undefined ? desk.complete({}).then(() => undefined) : script(desk);
};

const task = {
  type: 'task',
  agent: 'clerk',
  goal: "Work on ${has(input.n) ? string(input.n) : 'it'}.",
  timeout: '20s',
  backup: 'none',
} as const;
const exits = { error: 'failed', timeout: 'late' };
const ends = {
  done: { type: 'terminal', outcome: 'success' },
  failed: { type: 'terminal', outcome: 'failed' },
  late: { type: 'terminal', outcome: 'handedOver' },
} as const;
const flow = (
  states: WorkflowSpec['states'],
  transitions: WorkflowSpec['transitions'],
  more: Partial<WorkflowSpec> = {},
) =>
  ({ input: { type: 'object' }, start: 'work', states: { ...states, ...ends }, transitions, ...more }) as WorkflowSpec;
const simple = (more: Partial<WorkflowSpec['states'][string]> = {}): WorkflowSpec =>
  flow({ work: { ...task, exits, ...more } }, [{ from: 'work', to: 'done' }]);
const queues: EscalationPolicySpec['queues'] = [
  { name: 'front-desk', deadline: '15m' },
  { name: 'emergency', deadline: '1m', onExpiry: { next: 'front-desk' } },
];

beforeAll(async () => {
  stage = await EngineStage.start();
  await stage.agent('clerk', scripted);
  await stage.agent('helper', scripted);
  await stage.engine();
});
afterAll(async () => {
  await stage?.stop();
});

describe('the happy path', () => {
  test('task, decision, end; cost and facts from verified reports; the projection follows', async () => {
    await stage.workflow(
      'plain',
      flow({ work: { ...task, exits }, choose: { type: 'decision' } }, [
        { from: 'work', to: 'choose' },
        { from: 'choose', when: 'facts.slot > input.n', to: 'done' },
        { from: 'choose', to: 'failed' },
      ]),
    );
    scripts.set('plain', async (desk) => {
      expect(desk.work.goal).toBe('Work on 3.');
      expect(await desk.report(desk.turn(1, { text: 'thinking' }))).toEqual({ kind: 'Go' });
      expect(await desk.report(desk.turn(1, { text: 'thinking' }))).toEqual({ kind: 'Go' });
      expect(await desk.complete({ slot: 7 })).toEqual({ kind: 'Go' });
      expect(await desk.complete({ slot: 7 })).toEqual({ kind: 'Go' });
    });
    const run = await stage.begin('plain', { n: 3 }, { object: { name: 'plain-1', uid: 'u-1' } });
    const summary = await stage.closed(run);
    expect(summary).toMatchObject({ outcome: 'success', state: 'done', costMicros: 100, attempts: 1, effects: 0 });
    expect(await stage.types(run)).toEqual([
      'RunStarted',
      'StateEntered',
      'ActivityScheduled',
      'TurnCompleted',
      'ActivityCompleted',
      'Transitioned',
      'StateEntered',
      'Transitioned',
      'StateEntered',
      'RunClosed',
    ]);
    const events = await stage.history(run);
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    const runs = await stage.control.bucket<RunSummary>(buckets.runs);
    await expect.poll(async () => (await runs.get(`${namespace}.${run}`))?.value.outcome).toBe('success');
  });

  test('a slot that may go on is handed the next work of its agent, claimed, with the answer to its result', async () => {
    await stage.agent('runner');
    await stage.workflow(
      'handed',
      flow({ work: { ...task, agent: 'runner', exits }, check: { ...task, agent: 'runner', exits } }, [
        { from: 'work', to: 'check' },
        { from: 'check', to: 'done' },
      ]),
    );
    const run = await stage.begin('handed', { n: 1 });
    const seen: string[] = [];
    stage.worker('runner', async (desk) => {
      const done = { result: {}, verification: { approved: true, rules: [] } };
      const first = await desk.ask<ReportReply>('complete', { ...done, more: true, free: 3 });
      const next = first.kind === 'Go' ? first.next : undefined;
      if (next === undefined) return;
      seen.push(`${next.run.id === run} ${next.activity}`);
      const at = { activity: next.activity, attempt: next.attempt };
      const stranger = await desk.ask<ReportReply>('complete', { ...done, ...at, worker: 'other' });
      expect(stranger).toMatchObject({ kind: 'Stop' });
      expect(await desk.ask('complete', { ...done, ...at, more: true })).toEqual({ kind: 'Go' });
    });
    expect(await stage.closed(run)).toMatchObject({ outcome: 'success', attempts: 2 });
    expect(seen).toEqual(['true check.1']);
  });

  test('a run that no object shows is not projected; it counts for the versions it keeps to, to its end', async () => {
    const held = Promise.withResolvers<void>();
    const version = await stage.workflow('unshown', simple());
    scripts.set('unshown', async (desk) => {
      await held.promise;
      await desk.complete({});
    });
    const runs = await stage.control.bucket<RunSummary>(buckets.runs);
    const reports = await stage.control.bucket<VersionReport>(buckets.versions);
    const run = await stage.begin('unshown', { n: 1 });
    const key = versionReportKey(partitionOf(run, partitions));
    const told = async () => (await reports.get(key))?.value;
    const name = `${namespace}/unshown`;
    await expect.poll(async () => (await told())?.workflows[name]).toEqual({ [version.digest]: 1 });
    const { pins = {} } = await stage.show(run);
    expect((await told())?.bundles[`${namespace}/clerk`]?.[pins['clerk'] ?? '']).toBeGreaterThan(0);
    held.resolve();
    await stage.closed(run);
    await expect.poll(async () => (await told())?.workflows[name]).toBeUndefined();
    expect(await runs.get(`${namespace}.${run}`)).toBeUndefined();
    // A later change of the catalog is told, too: an operator that waits for it learns that nothing is there.
    await stage.workflow('unshown-2', simple());
    const catalog = await stage.control.bucket(buckets.catalog);
    const { revision = 0 } = (await catalog.get(catalogKeys.workflow(namespace, 'unshown-2'))) ?? {};
    expect(revision).toBeGreaterThan(0);
    await expect.poll(async () => (await told())?.catalog).toBeGreaterThanOrEqual(revision);
  });

  test('a start over NATS is answered at the end of the run, with what it came to', async () => {
    await stage.workflow('awaited', simple());
    scripts.set('awaited', async (desk) => void (await desk.complete({ slot: 7 })));
    const asked = { input: { n: 1 }, waitMs: 20_000 };
    const reply = await stage.work.request(startSubject(namespace, 'awaited'), asked, 25_000);
    expect(reply).toMatchObject({ ok: true, result: { status: 'Closed', outcome: 'success', facts: { slot: 7 } } });
  });

  test('a start that waits is answered when its time is over, and hears of the end of the same run later', async () => {
    const held = Promise.withResolvers<void>();
    await stage.workflow('held', simple());
    scripts.set('held', async (desk) => {
      await held.promise;
      await desk.complete({ slot: 8 });
    });
    const start = (waitMs: number) =>
      stage.work.request(startSubject(namespace, 'held'), { input: { n: 1 }, key: 'one', waitMs }, 25_000);
    expect(await start(50)).toMatchObject({ ok: true, result: { status: 'Running', state: 'work' } });
    const later = start(20_000);
    held.resolve();
    expect(await later).toMatchObject({ ok: true, result: { status: 'Closed', facts: { slot: 8 } } });
    expect(await start(25_001)).toMatchObject({ ok: false, code: 'INVALID_INPUT' });
  });

  test('the same key is the same run; a wrong input names its field', async () => {
    await stage.workflow('keyed', {
      ...simple(),
      input: { type: 'object', required: ['callId'], properties: { callId: { type: 'string' } } },
      key: 'input.callId',
    });
    const ask = (input: object) =>
      stage.work.request<{ ok: boolean; result?: RunSummary; code?: string; message?: string }>(
        startSubject(namespace, 'keyed'),
        { input },
        10_000,
      );
    const [first, second] = [await ask({ callId: 'c1' }), await ask({ callId: 'c1' })];
    expect(first.result?.run).toBe(second.result?.run);
    expect((await ask({ callId: 5 })).message).toContain('/callId must be string');
    expect((await ask({})).code).toBe('INVALID_INPUT');
    expect((await stage.closed(first.result?.run ?? '')).outcome).toBe('success');
  });
});

describe('failures', () => {
  test('retries with back-off, then the backup route, completes there', async () => {
    await stage.workflow('flaky', simple({ retry: { max: 1, backoff: '50ms' }, backup: 'helper' }));
    scripts.set('flaky', async (desk) => {
      if (desk.work.route === 'backup') await desk.complete({ by: 'helper' });
      else await desk.fail('MODEL_UNAVAILABLE');
    });
    const run = await stage.begin('flaky');
    expect(await stage.closed(run)).toMatchObject({ outcome: 'success', attempts: 3, route: 'backup' });
    const scheduled = (await stage.history(run)).filter((event) => event.type === 'ActivityScheduled');
    expect(scheduled.map((event) => [event.agent, event.route, event.attempt])).toEqual([
      ['clerk', 'primary', 1],
      ['clerk', 'primary', 2],
      ['helper', 'backup', 3],
    ]);
  });

  test('the time of a state is over: exit timeout', async () => {
    await stage.workflow('slow', simple({ timeout: '300ms' }));
    scripts.set('slow', async (desk) => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect((await desk.complete({})).kind).toBe('Stop');
    });
    const run = await stage.begin('slow');
    expect(await stage.closed(run)).toMatchObject({ outcome: 'handedOver', state: 'late' });
    expect(await stage.types(run)).toContain('ActivityTimedOut');
  });

  test('a result the bundle’s rules reject is repaired, within bounds, and never committed before', async () => {
    await stage.agent('strict', scripted, {
      verifier: { rules: [{ name: 'positive', cel: 'result.n > 0', message: 'n must be positive' }] },
      policy: { maxRepairs: 1 },
    });
    await stage.workflow('repair', simple({ agent: 'strict' }));
    const replies: unknown[] = [];
    scripts.set('repair', async (desk) => {
      for (const n of [-1, Number(desk.work.input['second'] ?? 5), 7]) replies.push(await desk.complete({ n }));
    });
    expect(await stage.closed(await stage.begin('repair'))).toMatchObject({ outcome: 'success', repairs: 1 });
    // The run is closed before its worker has heard so.
    const heard = [{ kind: 'Repair', feedback: 'positive: n must be positive' }, { kind: 'Go' }];
    await expect.poll(() => replies.slice(0, 2)).toEqual(heard);
    const stubborn = await stage.begin('repair', { second: -2 });
    expect(await stage.closed(stubborn)).toMatchObject({ outcome: 'failed', repairs: 2 });
    expect(await stage.types(stubborn)).not.toContain('ActivityCompleted');
  });

  test('forged receipts, strangers and unproposed effects are refused', async () => {
    await stage.workflow('forged', simple());
    const seen: unknown[] = [];
    scripts.set('forged', async (desk) => {
      const turn = desk.turn(1);
      const forged = { ...turn, receipt: { ...desk.receipt({ kind: 'model', name: 'small' }), costMicros: 0 } };
      seen.push(await desk.report(forged));
      seen.push(await desk.report({ ...turn, receipt: undefined } as unknown as typeof turn));
      const args = { slot: 1 };
      const { activity } = desk.work;
      const about = callDigest({ run: desk.work.run.id, activity, tool: 'book', args });
      seen.push(await desk.authorize({ tool: 'book', digest: about, effectful: true }));
      await desk.report(desk.turn(1, { calls: [{ id: 'c', tool: 'book', args }] }), true);
      seen.push((await desk.authorize({ tool: 'book', digest: about, effectful: true })).kind);
      seen.push(await desk.authorize({ agent: 'helper' }));
      const result = { id: 'c', tool: 'book', args, outcome: 'ok' as const, result: {} };
      const receipt = desk.receipt({ ...receiptOf('book', about), effect: 'write', committed: true });
      seen.push(await desk.report(desk.turn(1, { calls: [{ id: 'c', tool: 'book', args }], results: [result] })));
      await desk.report(desk.turn(1, { calls: [{ id: 'c', tool: 'book', args }], results: [{ ...result, receipt }] }));
      await desk.complete({});
    });
    const summary = await stage.closed(await stage.begin('forged'));
    expect(summary).toMatchObject({ outcome: 'success', costMicros: 100, effects: 1 });
    expect(seen).toMatchObject([
      { kind: 'Error', code: 'DENIED' },
      { kind: 'Error', code: 'DENIED' },
      { kind: 'Refused', code: 'DENIED' },
      'Allowed',
      { kind: 'Refused', code: 'DENIED' },
      { kind: 'Error', code: 'DENIED' },
    ]);
  });
});

describe('people', () => {
  test('an approval state waits for one answer of somebody else', async () => {
    await stage.workflow(
      'ask',
      flow(
        {
          work: {
            type: 'approval',
            queue: 'front-desk',
            question: 'May ${input.who} pass?',
            timeout: '1h',
            exits: { rejected: 'failed', expired: 'late' },
          },
        },
        [{ from: 'work', to: 'done' }],
      ),
      { rules: [], queues } as unknown as EscalationPolicySpec,
    );
    const run = await stage.begin('ask', { who: 'Eve' });
    const waiting = await stage.until(run, (summary) => summary.status === 'Waiting');
    const escalation = waiting.escalation ?? '';
    expect(waiting.message).toContain('May Eve pass?');
    const records = await stage.control.bucket<EscalationRecord>(buckets.escalations);
    await expect
      .poll(async () => (await records.get(`${namespace}.${escalation}`))?.value)
      .toMatchObject({ status: 'Open', escalation: { queue: 'front-desk', signal: 'approval' } });
    expect(await stage.decide(run, escalation, { by: 'ann' })).toMatchObject({ ok: false, code: 'DENIED' });
    expect(await stage.decide(run, escalation, { digest: 'sha256:x' })).toMatchObject({ ok: false, code: 'DENIED' });
    expect(await stage.decide(run, 'nothing-1')).toMatchObject({ ok: false, code: 'NOT_FOUND' });
    expect(await stage.decide(run, escalation)).toMatchObject({ ok: true });
    expect(await stage.decide(run, escalation)).toMatchObject({ ok: true });
    expect(await stage.decide(run, escalation, { decision: 'second' })).toMatchObject({ ok: false, code: 'STALE' });
    expect(await stage.closed(run)).toMatchObject({ outcome: 'success' });
    expect((await stage.types(run)).filter((type) => type === 'EscalationDecided')).toHaveLength(1);
    await expect
      .poll(async () => (await records.get(`${namespace}.${escalation}`))?.value)
      .toMatchObject({ status: 'Decided', decidedBy: 'bob' });
  });

  test('a red flag in the input stops the run before any task exists', async () => {
    const rules = [
      { name: 'urgent', signal: 'redFlag', patterns: ['chest pain'], action: 'humanQueue', queue: 'emergency' },
    ];
    await stage.workflow('call', simple(), { rules, queues } as EscalationPolicySpec);
    const run = await stage.begin('call', { text: 'I have CHEST\n pain' });
    const waiting = await stage.until(run, (summary) => summary.status === 'Waiting');
    expect(await stage.types(run)).toEqual(['RunStarted', 'EscalationOpened']);
    await stage.decide(run, waiting.escalation ?? '', { option: 'reject' });
    expect(await stage.closed(run)).toMatchObject({ outcome: 'handedOver', attempts: 0 });
  });

  test('a call that needs approval waits, is consumed once, and the activity goes on', async () => {
    await stage.workflow('bill', simple(), { rules: [], queues } as unknown as EscalationPolicySpec);
    const args = { amount: 900 };
    const consumed: string[] = [];
    scripts.set('bill', async (desk) => {
      const { activity, turns, decisions, run } = desk.work;
      const about = callDigest({ run: run.id, activity, tool: 'pay', args });
      const call = { id: 'c', tool: 'pay', args };
      const turn = desk.turn(1, { calls: [call] });
      const request = { tool: 'pay', digest: about, effectful: true, approvalNeeded: true };
      if (turns.length === 0) {
        await desk.report(turn, true);
        const absent = await desk.authorize(request);
        consumed.push(absent.kind === 'Allowed' ? absent.approval : absent.kind);
        const receipt = desk.receipt({ ...receiptOf('pay', about), outcome: 'approvalRequired' });
        const approval = { queue: 'front-desk', question: 'Pay 900?', digest: about };
        const result = { ...call, outcome: 'approvalRequired' as const, result: {}, receipt, approval };
        const reply = await desk.report({ ...turn, results: [result] });
        expect(reply.kind).toBe('Stop');
        return;
      }
      expect(decisions).toMatchObject([{ digest: about, option: 'approve' }]);
      for (let times = 0; times < 2; times += 1) {
        const allowed = await desk.authorize(request);
        consumed.push(allowed.kind === 'Allowed' ? allowed.approval : allowed.kind);
      }
      const receipt = desk.receipt({ ...receiptOf('pay', about), effect: 'write', committed: true });
      await desk.report({ ...turn, results: [{ ...call, outcome: 'ok', result: {}, receipt }] });
      await desk.complete({ paid: true });
    });
    const run = await stage.begin('bill');
    const waiting = await stage.until(run, (summary) => summary.status === 'Waiting');
    await stage.decide(run, waiting.escalation ?? '');
    expect(await stage.closed(run)).toMatchObject({ outcome: 'success', effects: 1, escalations: 1 });
    expect(consumed).toEqual(['absent', 'consumed', 'consumed']);
    expect((await stage.types(run)).filter((type) => type === 'ApprovalConsumed')).toHaveLength(1);
  });

  test('a rule hands the case to a fallback workflow, once', async () => {
    const rules = [
      { name: 'stuck', signal: 'repeatedRetries', atLeast: 2, action: 'fallbackWorkflow', workflow: 'call-back' },
    ];
    await stage.workflow('stuck', simple({ retry: { max: 5, backoff: '20ms' } }), {
      rules,
      queues,
    } as EscalationPolicySpec);
    await stage.workflow('call-back', simple());
    scripts.set('stuck', (desk) => desk.fail('TOOL_UNAVAILABLE').then(() => undefined));
    const run = await stage.begin('stuck', { n: 1 });
    const summary = await stage.closed(run);
    expect(summary).toMatchObject({ outcome: 'handedOver', attempts: 2 });
    const fallback = await stage.closed(summary.fallbackRun ?? '');
    expect(fallback).toMatchObject({ workflow: 'call-back', source: 'fallback', outcome: 'success' });
    const [started] = await stage.history(fallback.run);
    expect(started).toMatchObject({ parent: { run }, input: { run, workflow: 'stuck', input: { n: 1 } } });
  });
});

describe('time and the outside', () => {
  const waiting = flow(
    {
      work: {
        type: 'wait',
        for: { event: 'patient.confirmed', by: 'input.patientId' },
        timeout: '1h',
        exits: { timeout: 'late' },
      },
    },
    [
      { from: 'work', when: 'result.ok', to: 'done' },
      { from: 'work', to: 'failed' },
    ],
  );

  test('a bus event wakes exactly the run that waits for its key', async () => {
    await stage.workflow('confirm', waiting);
    const [one, other] = [
      await stage.begin('confirm', { patientId: 'p1' }),
      await stage.begin('confirm', { patientId: 'p2' }),
    ];
    await stage.event('patient.confirmed', 'p1', { ok: true }, 'e1');
    await stage.event('patient.confirmed', 'p1', { ok: true }, 'e1');
    expect(await stage.closed(one)).toMatchObject({ outcome: 'success' });
    expect(await stage.show(other)).toMatchObject({ status: 'Running', state: 'work' });
    expect((await stage.types(one)).filter((type) => type === 'BusEventReceived')).toHaveLength(1);
  });

  test('a bus event starts the workflows it triggers, once', async () => {
    await stage.workflow('triggered', {
      ...simple(),
      triggers: [{ event: { subject: 'calls.received' } }],
      key: 'input.callId',
    });
    await stage.event('calls.received', '', { callId: 'x' });
    await stage.event('calls.received', '', { callId: 'x' });
    const listed = async () => {
      const replies = await Promise.all(
        [0, 1].map((partition) =>
          stage.control.request<{ result: RunSummary[] }>(
            `engine.${partition}.list`,
            { namespace, workflow: 'triggered' },
            3_000,
          ),
        ),
      );
      return replies.flatMap((reply) => reply.result);
    };
    await expect.poll(async () => (await listed()).map((run) => [run.source, run.status])).toEqual([['bus', 'Closed']]);
  });

  test('a wait for a duration, and a cancel that tells the worker to stop', async () => {
    await stage.workflow(
      'pause',
      flow({ work: { type: 'wait', for: { duration: '100ms' }, timeout: '1h', exits: { timeout: 'late' } } }, [
        { from: 'work', to: 'done' },
      ]),
    );
    expect(await stage.closed(await stage.begin('pause'))).toMatchObject({ outcome: 'success' });
    await stage.workflow('long', simple());
    const told = Promise.withResolvers<unknown>();
    const begun = Promise.withResolvers<void>();
    scripts.set('long', async (desk) => {
      begun.resolve();
      for (let times = 0; times < 200; times += 1) {
        const reply = await desk.ask('heartbeat');
        if (reply.kind === 'Stop') return told.resolve(reply);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    const run = await stage.begin('long');
    await begun.promise;
    const cancel = { namespace, run, by: 'ann', reason: 'no longer needed' };
    expect(await stage.ask(run, 'cancel', cancel)).toMatchObject({ ok: true });
    expect(await stage.ask(run, 'cancel', cancel)).toMatchObject({ ok: true });
    expect(await stage.closed(run)).toMatchObject({ outcome: 'cancelled' });
    expect(await told.promise).toMatchObject({ kind: 'Stop' });
    expect(await stage.ask(run, 'show', { run, namespace: 'other' })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
  });
});
