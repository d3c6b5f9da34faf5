import { expect, test } from 'vitest';
import { type Link, unlessReconnected } from './connection.ts';

function fakeLink(): { readonly link: Link; readonly reconnect: () => void; readonly listeners: Set<() => void> } {
  const listeners = new Set<() => void>();
  const onReconnect: Link['onReconnect'] = (callback) => {
    listeners.add(callback);
    return () => listeners.delete(callback);
  };
  const link = { name: 'test', problem: () => undefined, onReconnect } as unknown as Link;
  return { link, listeners, reconnect: () => listeners.forEach((listener) => listener()) };
}

test('an answer that comes is the answer, and nobody listens any more', async () => {
  const { link, listeners } = fakeLink();
  expect(await unlessReconnected(link, Promise.resolve(7))).toBe(7);
  await expect(unlessReconnected(link, Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(listeners.size).toBe(0);
});

test('a new connection ends the wait for what the old one was asked; a late answer or refusal is nothing to anybody', async () => {
  const { link, listeners, reconnect } = fakeLink();
  const late = Promise.withResolvers<number>();
  const waiting = unlessReconnected(link, late.promise);
  reconnect();
  await expect(waiting).rejects.toThrow('the connection was lost');
  late.reject(new Error('too late'));
  expect(listeners.size).toBe(0);
});
