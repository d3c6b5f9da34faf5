import { describe, expect, test } from 'vitest';
import { batchAsksMax } from '../../api/messages/asks.ts';
import { Outbox } from './outbox.ts';

interface Sent {
  readonly subject: string;
  readonly payload: { readonly asks?: readonly { readonly verb: string; readonly ask: unknown }[] };
}

/** A bus that remembers what went over it and answers each ask with its number. */
function desk(batches = true): { readonly sent: Sent[]; readonly outbox: Outbox } {
  const sent: Sent[] = [];
  const request = <T>(subject: string, payload: unknown): Promise<T> => {
    sent.push({ subject, payload: payload as Sent['payload'] });
    const { asks } = payload as Sent['payload'];
    if (asks === undefined) return Promise.resolve(payload as T);
    if (!batches) return Promise.resolve({ kind: 'Error', code: 'INVALID_INPUT' } as T);
    return Promise.resolve({ replies: asks.map(({ ask }) => ask) } as T);
  };
  return { sent, outbox: new Outbox({ request }) };
}
const numbers = (count: number): readonly { number: number }[] =>
  Array.from({ length: count }, (_, number) => ({ number }));
const ask = (outbox: Outbox, verb: string, payload: object, partition = 0): Promise<unknown> =>
  outbox.request(`ask.clinic.intake.b.engine.${partition}.${verb}`, payload, 1_000);

describe('asks', () => {
  test('of one moment and partition share a message, each with its own answer', async () => {
    const { sent, outbox } = desk();
    const asked = numbers(5);
    expect(await Promise.all(asked.map((one) => ask(outbox, 'complete', one)))).toEqual(asked);
    expect(sent.map(({ subject }) => subject)).toEqual(['ask.clinic.intake.b.engine.0.batch']);
    await ask(outbox, 'heartbeat', { number: 9 });
    expect(sent.at(-1)).toEqual({ subject: 'ask.clinic.intake.b.engine.0.heartbeat', payload: { number: 9 } });
  });

  test('of other partitions, claims and large ones go apart; a message is bounded', async () => {
    const { sent, outbox } = desk();
    const large = { text: 'x'.repeat(20_000) };
    await Promise.all([
      ask(outbox, 'claim', { number: 1 }),
      ask(outbox, 'complete', large),
      ask(outbox, 'complete', { number: 2 }, 1),
      ...numbers(batchAsksMax + 1).map((one) => ask(outbox, 'complete', one)),
    ]);
    const of = (partition: number, verb: string): string => `ask.clinic.intake.b.engine.${partition}.${verb}`;
    const subjects = sent.map(({ subject }) => subject).toSorted();
    expect(subjects).toEqual(
      [of(0, 'batch'), of(0, 'claim'), of(0, 'complete'), of(0, 'complete'), of(1, 'complete')].toSorted(),
    );
  });

  test('go one by one to an engine that knows no batch', async () => {
    const { sent, outbox } = desk(false);
    const asked = numbers(3);
    expect(await Promise.all(asked.map((one) => ask(outbox, 'complete', one)))).toEqual(asked);
    expect(sent).toHaveLength(4);
  });

  test('fail together when their message does', async () => {
    const outbox = new Outbox({ request: () => Promise.reject(new Error('gone')) });
    const asked = numbers(2).map((one) => ask(outbox, 'complete', one));
    for (const reply of asked) await expect(reply).rejects.toThrow('gone');
  });
});
