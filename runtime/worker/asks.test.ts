import { expect, test } from 'vitest';
import type { ReportReply, Work } from '../../api/messages/asks.ts';
import { asksOf } from './asks.ts';
import type { Worker } from './ports.ts';

test('a heartbeat that comes after the result says nothing: what the slot goes on with is in the answer to the result', async () => {
  const answered = Promise.withResolvers<ReportReply>();
  const stop: ReportReply = { kind: 'Stop', message: 'complete' };
  const ask = <T>(subject: string): Promise<T> =>
    (subject.endsWith('.complete') ? answered.promise : Promise.resolve(stop)) as Promise<T>;
  const worker = {
    bus: { ask },
    clock: { now: () => 0, sleep: () => Promise.resolve() },
    identity: { namespace: 'clinic', agent: 'intake', bundle: '0' },
    settings: { name: 'one' },
    free: () => 0,
  } as unknown as Worker;
  const hint = { run: 'r', activity: 'work.1', attempt: 1, partition: 0 };
  const asks = asksOf(worker, hint, { untilMs: 10_000, signal: new AbortController().signal, more: () => true });
  expect(await asks.heartbeat()).toEqual(stop);
  const completed = asks.complete({ result: {}, verification: { approved: true, rules: [] } });
  expect(await asks.heartbeat()).toEqual({ kind: 'Go' });
  const next = { kind: 'Work', activity: 'check.1' } as Work;
  answered.resolve({ kind: 'Go', next });
  await completed;
  expect(asks.handed()).toEqual(next);
  expect(await asks.heartbeat()).toEqual(stop);
});
