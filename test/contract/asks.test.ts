// Asks that share messages, on a real nats-server.
import { describe, expect, test } from 'vitest';
import { connectNats } from '../../adapters/nats/bus.ts';
import { SignalboxError } from '../../api/errors.ts';
import { codeOf, oneBus } from '../support/nats-bus.ts';

const bus = oneBus();

describe('asks', () => {
  const asking = (prefix: string, verb: string, payload: unknown): Promise<unknown> =>
    bus.control.ask(`${prefix}.${verb}`, payload, 5_000);
  const watched = (prefix: string): { readonly sizes: number[]; readonly stop: () => void } => {
    const sizes: number[] = [];
    const watching = bus.control.connection.subscribe(`${prefix}._asks`, {
      callback: (_error, message) => void sizes.push(message.json<readonly unknown[]>().length),
    });
    return { sizes, stop: () => watching.unsubscribe() };
  };

  test('of one moment share a message; each has its own answer or refusal, and waits for no other', async () => {
    const late = Promise.withResolvers<string>();
    const served = bus.control.serve(
      'engine.2.*',
      async ({ subject, payload }) => {
        if (payload === 'late') return late.promise;
        if (payload === 'bad') throw new SignalboxError('NOT_FOUND', 'no\nrun');
        return { subject, payload };
      },
      { maxParallel: 8 },
    );
    const { sizes, stop } = watched('engine.2');
    const slow = asking('engine.2', 'show', 'late');
    const bad = asking('engine.2', 'show', 'bad').catch((error: unknown) => error);
    expect(await asking('engine.2', 'list', { a: 'é' })).toEqual({ subject: 'engine.2.list', payload: { a: 'é' } });
    expect(await bad).toMatchObject({ code: 'NOT_FOUND', message: 'no run' });
    late.resolve('now');
    expect(await slow).toBe('now');
    expect(await asking('engine.2', 'show', null)).toEqual({ subject: 'engine.2.show', payload: null });
    expect(sizes).toEqual([3, 1]);
    stop();
    await served.stop();
  });

  test('above 64, or 262,144 characters, travel in several messages, and answers too', async () => {
    const served = bus.control.serve('engine.2.*', async ({ payload }) => payload, { maxParallel: 8 });
    const { sizes, stop } = watched('engine.2');
    const many = Array.from({ length: 130 }, (_, n) => n);
    expect(await Promise.all(many.map((n) => asking('engine.2', 'show', n)))).toEqual(many);
    expect(sizes.splice(0)).toEqual([64, 64, 2]);
    const large = Array.from({ length: 5 }, (_, n) => `${n}${'x'.repeat(100_000)}`);
    expect(await Promise.all(large.map((text) => asking('engine.2', 'show', text)))).toEqual(large);
    expect(sizes.splice(0)).toEqual([2, 2, 1]);
    const whole = 'y'.repeat(700_000);
    expect(await Promise.all([whole, 1].map((text) => asking('engine.2', 'show', text)))).toEqual([whole, 1]);
    expect(sizes).toEqual([1, 1]);
    stop();
    await served.stop();
  });

  test('an answer that no message can hold is refused, and those beside it are answered', async () => {
    const served = bus.control.serve('engine.2.*', async ({ payload }) => 'z'.repeat(payload as number), {
      maxParallel: 8,
    });
    const replies = [3, 2_000_000, 4].map((size) => asking('engine.2', 'show', size).catch((error: unknown) => error));
    expect(await Promise.all(replies)).toMatchObject(['zzz', { code: 'BUS_UNREACHABLE' }, 'zzzz']);
    await served.stop();
  });

  test('of which nobody hears are given up at once, unanswered ones in their own time', async () => {
    const nobody = ['show', 'list'].map((verb) => codeOf(asking('engine.3', verb, {})));
    expect(await Promise.all(nobody)).toEqual(['BUS_UNREACHABLE', 'BUS_UNREACHABLE']);
    const served = bus.control.serve(
      'engine.2.*',
      ({ payload }) => (payload === 'never' ? new Promise(() => undefined) : Promise.resolve(payload)),
      { maxParallel: 8 },
    );
    const never = codeOf(bus.control.ask('engine.2.show', 'never', 100));
    expect(await asking('engine.2', 'show', 1)).toBe(1);
    expect(await never).toBe('TIMEOUT');
    await Promise.race([served.stop(), new Promise((resolve) => setTimeout(resolve, 10))]);
  });

  test('reach no subject but those below their own, whatever they call themselves', async () => {
    const heard: string[] = [];
    const served = bus.control.serve('ask.*.*.*.engine.0.*', async ({ subject }) => heard.push(subject), {
      maxParallel: 8,
    });
    const say = (asks: unknown) =>
      bus.control.connection.request('ask.clinic.a.b.engine.0._asks', JSON.stringify(asks), { timeout: 2_000 });
    for (const verb of ['complete.x', '>', '*', '', '../x', '_asks', 7]) {
      const reply = await say([[1, verb, {}]]);
      expect(reply.headers?.get('Signalbox-Error-Code')).toBe('INVALID_INPUT');
    }
    for (const asks of [
      'no',
      { 1: 2 },
      [1],
      [['1', 'complete', {}]],
      Array.from({ length: 65 }, (_, n) => [n, 'x', 1]),
    ]) {
      expect((await say(asks)).headers?.get('Signalbox-Error-Code')).toBe('INVALID_INPUT');
    }
    expect(heard).toEqual([]);
    expect((await say([[1, 'complete', {}]])).json()).toEqual([[1, 1]]);
    expect(heard).toEqual(['ask.clinic.a.b.engine.0.complete']);
    const outside = { reply: 'journal.0' };
    bus.control.connection.publish('ask.clinic.a.b.engine.0._asks', JSON.stringify([[1, 'complete', {}]]), outside);
    expect((await say([[2, 'claim', {}]])).json()).toEqual([[2, 2]]);
    await served.stop();
  });

  test('are bounded by maxParallel each, not by their messages', async () => {
    let [active, most] = [0, 0];
    const served = bus.control.serve(
      'engine.2.*',
      async () => {
        most = Math.max(most, (active += 1));
        await new Promise((resolve) => setTimeout(resolve, 2));
        active -= 1;
      },
      { maxParallel: 3 },
    );
    await Promise.all(Array.from({ length: 20 }, () => asking('engine.2', 'show', {})));
    expect(most).toBe(3);
    await served.stop();
  });

  test('end with their connection', async () => {
    const own = await connectNats({ url: bus.nats.url, ...bus.nats.control, name: 'short' });
    const served = bus.control.serve('engine.2.*', () => new Promise(() => undefined), { maxParallel: 8 });
    const asked = codeOf(own.ask('engine.2.show', {}, 20_000));
    await own.connection.flush();
    await own.close();
    expect(await asked).toBe('BUS_UNREACHABLE');
    expect(await codeOf(own.ask('engine.2.show', {}, 20_000))).toBe('BUS_UNREACHABLE');
    await Promise.race([served.stop(), new Promise((resolve) => setTimeout(resolve, 10))]);
  });
});
