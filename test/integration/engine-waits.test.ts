// What an engine waits for: people, time, and what happens outside.
import { describe, expect, test } from 'vitest';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { EscalationRecord, RunSummary } from '../../api/messages/history.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { callDigest } from '../../core/permission/digest.ts';
import { namespace } from '../support/engine-stage.ts';
import { flow, queues, receiptOf, scriptedEngine, simple } from '../support/scripted-engine.ts';

const engine = scriptedEngine();
const { scripts } = engine;

describe('people', () => {
  test('an approval state waits for one answer of somebody else', async () => {
    await engine.stage.workflow(
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
    const run = await engine.stage.begin('ask', { who: 'Eve' });
    const waiting = await engine.stage.until(run, (summary) => summary.status === 'Waiting');
    const escalation = waiting.escalation ?? '';
    expect(waiting.message).toContain('May Eve pass?');
    const records = await engine.stage.control.bucket<EscalationRecord>(buckets.escalations);
    await expect
      .poll(async () => (await records.get(`${namespace}.${escalation}`))?.value)
      .toMatchObject({ status: 'Open', escalation: { queue: 'front-desk', signal: 'approval' } });
    expect(await engine.stage.decide(run, escalation, { by: 'ann' })).toMatchObject({ ok: false, code: 'DENIED' });
    expect(await engine.stage.decide(run, escalation, { digest: 'sha256:x' })).toMatchObject({
      ok: false,
      code: 'DENIED',
    });
    expect(await engine.stage.decide(run, 'nothing-1')).toMatchObject({ ok: false, code: 'NOT_FOUND' });
    expect(await engine.stage.decide(run, escalation)).toMatchObject({ ok: true });
    expect(await engine.stage.decide(run, escalation)).toMatchObject({ ok: true });
    expect(await engine.stage.decide(run, escalation, { decision: 'second' })).toMatchObject({
      ok: false,
      code: 'STALE',
    });
    expect(await engine.stage.closed(run)).toMatchObject({ outcome: 'success' });
    expect((await engine.stage.types(run)).filter((type) => type === 'EscalationDecided')).toHaveLength(1);
    await expect
      .poll(async () => (await records.get(`${namespace}.${escalation}`))?.value)
      .toMatchObject({ status: 'Decided', decidedBy: 'bob' });
  });

  test('a red flag in the input stops the run before any task exists', async () => {
    const rules = [
      { name: 'urgent', signal: 'redFlag', patterns: ['chest pain'], action: 'humanQueue', queue: 'emergency' },
    ];
    await engine.stage.workflow('call', simple(), { rules, queues } as EscalationPolicySpec);
    const run = await engine.stage.begin('call', { text: 'I have CHEST\n pain' });
    const waiting = await engine.stage.until(run, (summary) => summary.status === 'Waiting');
    expect(await engine.stage.types(run)).toEqual(['RunStarted', 'EscalationOpened']);
    await engine.stage.decide(run, waiting.escalation ?? '', { option: 'reject' });
    expect(await engine.stage.closed(run)).toMatchObject({ outcome: 'handedOver', attempts: 0 });
  });

  test('a call that needs approval waits, is consumed once, and the activity goes on', async () => {
    await engine.stage.workflow('bill', simple(), { rules: [], queues } as unknown as EscalationPolicySpec);
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
    const run = await engine.stage.begin('bill');
    const waiting = await engine.stage.until(run, (summary) => summary.status === 'Waiting');
    await engine.stage.decide(run, waiting.escalation ?? '');
    expect(await engine.stage.closed(run)).toMatchObject({ outcome: 'success', effects: 1, escalations: 1 });
    expect(consumed).toEqual(['absent', 'consumed', 'consumed']);
    expect((await engine.stage.types(run)).filter((type) => type === 'ApprovalConsumed')).toHaveLength(1);
  });

  test('a rule hands the case to a fallback workflow, once', async () => {
    const rules = [
      { name: 'stuck', signal: 'repeatedRetries', atLeast: 2, action: 'fallbackWorkflow', workflow: 'call-back' },
    ];
    await engine.stage.workflow('stuck', simple({ retry: { max: 5, backoff: '20ms' } }), {
      rules,
      queues,
    } as EscalationPolicySpec);
    await engine.stage.workflow('call-back', simple());
    scripts.set('stuck', (desk) => desk.fail('TOOL_UNAVAILABLE').then(() => undefined));
    const run = await engine.stage.begin('stuck', { n: 1 });
    const summary = await engine.stage.closed(run);
    expect(summary).toMatchObject({ outcome: 'handedOver', attempts: 2 });
    const fallback = await engine.stage.closed(summary.fallbackRun ?? '');
    expect(fallback).toMatchObject({ workflow: 'call-back', source: 'fallback', outcome: 'success' });
    const [started] = await engine.stage.history(fallback.run);
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
    await engine.stage.workflow('confirm', waiting);
    const [one, other] = [
      await engine.stage.begin('confirm', { patientId: 'p1' }),
      await engine.stage.begin('confirm', { patientId: 'p2' }),
    ];
    await engine.stage.event('patient.confirmed', 'p1', { ok: true }, 'e1');
    await engine.stage.event('patient.confirmed', 'p1', { ok: true }, 'e1');
    expect(await engine.stage.closed(one)).toMatchObject({ outcome: 'success' });
    expect(await engine.stage.show(other)).toMatchObject({ status: 'Running', state: 'work' });
    expect((await engine.stage.types(one)).filter((type) => type === 'BusEventReceived')).toHaveLength(1);
  });

  test('a bus event starts the workflows it triggers, once', async () => {
    await engine.stage.workflow('triggered', {
      ...simple(),
      triggers: [{ event: { subject: 'calls.received' } }],
      key: 'input.callId',
    });
    await engine.stage.event('calls.received', '', { callId: 'x' });
    await engine.stage.event('calls.received', '', { callId: 'x' });
    const listed = async () => {
      const replies = await Promise.all(
        [0, 1].map((partition) =>
          engine.stage.control.request<{ result: RunSummary[] }>(
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
    await engine.stage.workflow(
      'pause',
      flow({ work: { type: 'wait', for: { duration: '100ms' }, timeout: '1h', exits: { timeout: 'late' } } }, [
        { from: 'work', to: 'done' },
      ]),
    );
    expect(await engine.stage.closed(await engine.stage.begin('pause'))).toMatchObject({ outcome: 'success' });
    await engine.stage.workflow('long', simple());
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
    const run = await engine.stage.begin('long');
    await begun.promise;
    const cancel = { namespace, run, by: 'ann', reason: 'no longer needed' };
    expect(await engine.stage.ask(run, 'cancel', cancel)).toMatchObject({ ok: true });
    expect(await engine.stage.ask(run, 'cancel', cancel)).toMatchObject({ ok: true });
    expect(await engine.stage.closed(run)).toMatchObject({ outcome: 'cancelled' });
    expect(await told.promise).toMatchObject({ kind: 'Stop' });
    expect(await engine.stage.ask(run, 'show', { run, namespace: 'other' })).toMatchObject({
      ok: false,
      code: 'NOT_FOUND',
    });
  });
});
