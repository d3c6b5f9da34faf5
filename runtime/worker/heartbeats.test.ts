import { expect, test } from 'vitest';
import type { ReportReply } from '../../api/messages/asks.ts';
import { Heartbeats } from './heartbeats.ts';

const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };

/** A clock whose seconds the test lets pass. */
function seconds() {
  let wake: (() => void) | undefined;
  const sleep = (_ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      wake = resolve;
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
    });
  return {
    clock: { now: () => 0, sleep },
    pass: async (): Promise<void> => {
      wake?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('each activity is told of every second until it ends; a stop, and the end of the worker, let go of it', async () => {
  const { clock, pass } = seconds();
  const stop = new AbortController();
  const beats = new Heartbeats({ clock, log }, stop.signal);
  const said: string[] = [];
  let reply: ReportReply = { kind: 'Go' };
  const begin = (name: string) => {
    const letGo = new AbortController();
    const say = (): Promise<ReportReply> => {
      said.push(name);
      return Promise.resolve(reply);
    };
    return { letGo, end: beats.begin({ say, letGo }) };
  };
  const [a, b] = [begin('a'), begin('b')];
  await pass();
  a.end();
  await pass();
  expect(said).toEqual(['a', 'b', 'b']);
  reply = { kind: 'Stop', message: 'somebody else has it' };
  await pass();
  expect([a.letGo.signal.aborted, b.letGo.signal.aborted]).toEqual([false, true]);
  b.end();
  reply = { kind: 'Go' };
  const c = begin('c');
  stop.abort(new Error('the worker stops'));
  expect(c.letGo.signal.aborted).toBe(true);
  expect(begin('d').letGo.signal.aborted).toBe(true);
});

test('whose word is not answered yet says nothing more', async () => {
  const { clock, pass } = seconds();
  const beats = new Heartbeats({ clock, log }, new AbortController().signal);
  let said = 0;
  const end = beats.begin({
    letGo: new AbortController(),
    say: () => {
      said += 1;
      return new Promise(() => undefined);
    },
  });
  await pass();
  await pass();
  end();
  expect(said).toBe(1);
});
