import { describe, expect, test } from 'vitest';
import type { ReportReply } from '../../api/messages/asks.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import { buckets, catalogKeys, startSubject } from '../../api/messages/subjects.ts';
import { type VersionReport, versionReportKey } from '../../api/messages/versions.ts';
import { callDigest } from '../../core/permission/digest.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { namespace, partitions } from '../support/engine-stage.ts';
import { exits, flow, receiptOf, scriptedEngine, simple, task } from '../support/scripted-engine.ts';

const engine = scriptedEngine();
const { scripted, scripts } = engine;

describe('the happy path', () => {
  test('task, decision, end; cost and facts from verified reports; the projection follows', async () => {
    await engine.stage.workflow(
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
    const run = await engine.stage.begin('plain', { n: 3 }, { object: { name: 'plain-1', uid: 'u-1' } });
    const summary = await engine.stage.closed(run);
    expect(summary).toMatchObject({ outcome: 'success', state: 'done', costMicros: 100, attempts: 1, effects: 0 });
    expect(await engine.stage.types(run)).toEqual([
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
    const events = await engine.stage.history(run);
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    const runs = await engine.stage.control.bucket<RunSummary>(buckets.runs);
    await expect.poll(async () => (await runs.get(`${namespace}.${run}`))?.value.outcome).toBe('success');
  });

  test('a slot that may go on is handed the next work of its agent, claimed, with the answer to its result', async () => {
    await engine.stage.agent('runner');
    await engine.stage.workflow(
      'handed',
      flow({ work: { ...task, agent: 'runner', exits }, check: { ...task, agent: 'runner', exits } }, [
        { from: 'work', to: 'check' },
        { from: 'check', to: 'done' },
      ]),
    );
    const run = await engine.stage.begin('handed', { n: 1 });
    const seen: string[] = [];
    engine.stage.worker('runner', async (desk) => {
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
    expect(await engine.stage.closed(run)).toMatchObject({ outcome: 'success', attempts: 2 });
    expect(seen).toEqual(['true check.1']);
  });

  test('a run that no object shows is not projected; it counts for the versions it keeps to, to its end', async () => {
    const held = Promise.withResolvers<void>();
    const version = await engine.stage.workflow('unshown', simple());
    scripts.set('unshown', async (desk) => {
      await held.promise;
      await desk.complete({});
    });
    const runs = await engine.stage.control.bucket<RunSummary>(buckets.runs);
    const reports = await engine.stage.control.bucket<VersionReport>(buckets.versions);
    const run = await engine.stage.begin('unshown', { n: 1 });
    const key = versionReportKey(partitionOf(run, partitions));
    const told = async () => (await reports.get(key))?.value;
    const name = `${namespace}/unshown`;
    await expect.poll(async () => (await told())?.workflows[name]).toEqual({ [version.digest]: 1 });
    const { pins = {} } = await engine.stage.show(run);
    expect((await told())?.bundles[`${namespace}/clerk`]?.[pins['clerk'] ?? '']).toBeGreaterThan(0);
    held.resolve();
    await engine.stage.closed(run);
    await expect.poll(async () => (await told())?.workflows[name]).toBeUndefined();
    expect(await runs.get(`${namespace}.${run}`)).toBeUndefined();
    // A later change of the catalog is told, too: an operator that waits for it learns that nothing is there.
    await engine.stage.workflow('unshown-2', simple());
    const catalog = await engine.stage.control.bucket(buckets.catalog);
    const { revision = 0 } = (await catalog.get(catalogKeys.workflow(namespace, 'unshown-2'))) ?? {};
    expect(revision).toBeGreaterThan(0);
    await expect.poll(async () => (await told())?.catalog).toBeGreaterThanOrEqual(revision);
  });

  test('a start over NATS is answered at the end of the run, with what it came to', async () => {
    await engine.stage.workflow('awaited', simple());
    scripts.set('awaited', async (desk) => void (await desk.complete({ slot: 7 })));
    const asked = { input: { n: 1 }, waitMs: 20_000 };
    const reply = await engine.stage.work.request(startSubject(namespace, 'awaited'), asked, 25_000);
    expect(reply).toMatchObject({ ok: true, result: { status: 'Closed', outcome: 'success', facts: { slot: 7 } } });
  });

  test('a start that waits is answered when its time is over, and hears of the end of the same run later', async () => {
    const held = Promise.withResolvers<void>();
    await engine.stage.workflow('held', simple());
    scripts.set('held', async (desk) => {
      await held.promise;
      await desk.complete({ slot: 8 });
    });
    const start = (waitMs: number) =>
      engine.stage.work.request(startSubject(namespace, 'held'), { input: { n: 1 }, key: 'one', waitMs }, 25_000);
    expect(await start(50)).toMatchObject({ ok: true, result: { status: 'Running', state: 'work' } });
    const later = start(20_000);
    held.resolve();
    expect(await later).toMatchObject({ ok: true, result: { status: 'Closed', facts: { slot: 8 } } });
    expect(await start(25_001)).toMatchObject({ ok: false, code: 'INVALID_INPUT' });
  });

  test('the same key is the same run; a wrong input names its field', async () => {
    await engine.stage.workflow('keyed', {
      ...simple(),
      input: { type: 'object', required: ['callId'], properties: { callId: { type: 'string' } } },
      key: 'input.callId',
    });
    const ask = (input: object) =>
      engine.stage.work.request<{ ok: boolean; result?: RunSummary; code?: string; message?: string }>(
        startSubject(namespace, 'keyed'),
        { input },
        10_000,
      );
    const [first, second] = [await ask({ callId: 'c1' }), await ask({ callId: 'c1' })];
    expect(first.result?.run).toBe(second.result?.run);
    expect((await ask({ callId: 5 })).message).toContain('/callId must be string');
    expect((await ask({})).code).toBe('INVALID_INPUT');
    expect((await engine.stage.closed(first.result?.run ?? '')).outcome).toBe('success');
  });
});

describe('failures', () => {
  test('retries with back-off, then the backup route, completes there', async () => {
    await engine.stage.workflow('flaky', simple({ retry: { max: 1, backoff: '50ms' }, backup: 'helper' }));
    scripts.set('flaky', async (desk) => {
      if (desk.work.route === 'backup') await desk.complete({ by: 'helper' });
      else await desk.fail('MODEL_UNAVAILABLE');
    });
    const run = await engine.stage.begin('flaky');
    expect(await engine.stage.closed(run)).toMatchObject({ outcome: 'success', attempts: 3, route: 'backup' });
    const scheduled = (await engine.stage.history(run)).filter((event) => event.type === 'ActivityScheduled');
    expect(scheduled.map((event) => [event.agent, event.route, event.attempt])).toEqual([
      ['clerk', 'primary', 1],
      ['clerk', 'primary', 2],
      ['helper', 'backup', 3],
    ]);
  });

  test('the time of a state is over: exit timeout', async () => {
    await engine.stage.workflow('slow', simple({ timeout: '300ms' }));
    scripts.set('slow', async (desk) => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect((await desk.complete({})).kind).toBe('Stop');
    });
    const run = await engine.stage.begin('slow');
    expect(await engine.stage.closed(run)).toMatchObject({ outcome: 'handedOver', state: 'late' });
    expect(await engine.stage.types(run)).toContain('ActivityTimedOut');
  });

  test('a result the bundle’s rules reject is repaired, within bounds, and never committed before', async () => {
    await engine.stage.agent('strict', scripted, {
      verifier: { rules: [{ name: 'positive', cel: 'result.n > 0', message: 'n must be positive' }] },
      policy: { maxRepairs: 1 },
    });
    await engine.stage.workflow('repair', simple({ agent: 'strict' }));
    const replies: unknown[] = [];
    scripts.set('repair', async (desk) => {
      for (const n of [-1, Number(desk.work.input['second'] ?? 5), 7]) replies.push(await desk.complete({ n }));
    });
    expect(await engine.stage.closed(await engine.stage.begin('repair'))).toMatchObject({
      outcome: 'success',
      repairs: 1,
    });
    // The run is closed before its worker has heard so.
    const heard = [{ kind: 'Repair', feedback: 'positive: n must be positive' }, { kind: 'Go' }];
    await expect.poll(() => replies.slice(0, 2)).toEqual(heard);
    const stubborn = await engine.stage.begin('repair', { second: -2 });
    expect(await engine.stage.closed(stubborn)).toMatchObject({ outcome: 'failed', repairs: 2 });
    expect(await engine.stage.types(stubborn)).not.toContain('ActivityCompleted');
  });

  test('forged receipts, strangers and unproposed effects are refused', async () => {
    await engine.stage.workflow('forged', simple());
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
    const summary = await engine.stage.closed(await engine.stage.begin('forged'));
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
