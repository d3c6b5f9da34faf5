// What a tool really does: how often it acts, whatever it answers, whoever asks again, and under crashes.
import { describe, expect, it } from 'vitest';
import type { ToolAskReply } from '../../api/messages/asks.ts';
import type { ToolResult } from '../../api/messages/history.ts';
import { isGenuine } from '../../runtime/receipts.ts';
import { clerkGateway, planted, plantedKey, resultOf } from '../support/clerk-gateway.ts';

const clerk = clerkGateway();
const { acted, askTool, target } = clerk;

/** As a worker does: asks again until somebody answers. */
async function persist(ask: () => Promise<ToolAskReply>): Promise<ToolResult> {
  const until = Date.now() + 30_000;
  for (;;) {
    try {
      const reply = await ask();
      if (reply.kind === 'Result') return reply.result;
      if (Date.now() > until) throw new Error(`${reply.code}: ${reply.message}`);
    } catch (error) {
      if (Date.now() > until) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('effects', () => {
  it('the same call is made once in an activity, whoever asks again', async () => {
    clerk.server.on('/send', (call, answer) => {
      answer.effect(call.body);
      answer.json(200, { sent: true });
    });
    expect(await resultOf(askTool('send'))).toMatchObject({
      outcome: 'ok',
      receipt: { committed: true, effect: 'irreversible' },
    });
    const again = [
      askTool('send'),
      askTool('send', { id: 'x' }, { turn: 2 }),
      askTool('send', { id: 'x' }, { attempt: 2 }),
    ];
    for (const reply of await Promise.all(again.map(resultOf))) expect(reply.result).toEqual({ sent: true });
    expect(acted()).toBe(1);
  });

  it('a tool that said no may be called again', async () => {
    let open = false;
    clerk.server.on('/send', (call, answer) => {
      if (!open) answer.json(422, { error: 'closed' });
      else {
        answer.effect(call.body);
        answer.json(200, { sent: true });
      }
    });
    expect(await resultOf(askTool('send'))).toMatchObject({
      outcome: 'error',
      result: { error: expect.stringContaining('closed') },
    });
    open = true;
    expect(await resultOf(askTool('send', { id: 'x' }, { turn: 2 }))).toMatchObject({ outcome: 'ok' });
    expect(acted()).toBe(1);
  });

  it('an unknown outcome: repeated with the same key, asked about, or given to a person', async () => {
    const once = new Set<string>();
    clerk.server.on('/pay', (call, answer) => {
      const key = String(call.headers['idempotency-key']);
      if (!once.has(key)) {
        once.add(key);
        answer.effect(key);
        answer.reset();
      } else answer.json(200, { paid: true });
    });
    expect(await resultOf(askTool('pay'))).toMatchObject({ outcome: 'ok', result: { paid: true } });
    clerk.server.on('/book', (call, answer) => {
      answer.effect(String(call.headers['idempotency-key']));
      answer.reset();
    });
    clerk.server.on('/find', (call, answer) => {
      const key = call.query.get('idempotencyKey') ?? '';
      answer.json(clerk.server.effects.has(key) ? 200 : 404, { booking: key.slice(0, 4) });
    });
    expect(await resultOf(askTool('book'))).toMatchObject({
      outcome: 'ok',
      receipt: { note: expect.stringContaining('find') },
    });
    clerk.server.on('/send', (call, answer) => {
      answer.effect(call.body);
      answer.json(500, { error: 'after the fact' });
    });
    expect(await resultOf(askTool('send'))).toMatchObject({ outcome: 'ambiguous', receipt: { outcome: 'ambiguous' } });
    expect((await resultOf(askTool('send', { id: 'x' }, { attempt: 2 }))).outcome).toBe('ambiguous');
    expect([...clerk.server.effects.values()].every((count) => count === 1)).toBe(true);
    expect(acted()).toBe(3);
  });

  it('a query tool that the bundle does not list settles an unknown call, and is nobody else’s', async () => {
    clerk.server.on('/charge', (call, answer) => {
      answer.effect(call.body);
      answer.reset();
    });
    clerk.server.on('/unlisted', (_call, answer) => answer.json(200, { charged: true }));
    expect(await resultOf(askTool('charge'))).toMatchObject({
      outcome: 'ok',
      result: { charged: true },
      receipt: { committed: true, note: expect.stringContaining('unlisted') },
    });
    expect(acted()).toBe(1);
    const asked = clerk.server.calls.length;
    expect(await resultOf(askTool('unlisted', { id: 'x' }, { turn: 2 }))).toMatchObject({
      outcome: 'denied',
      result: { error: expect.stringContaining('has only') },
    });
    expect(clerk.server.calls).toHaveLength(asked);
  });

  it('a query that cannot answer leaves it to a person', async () => {
    clerk.server.on('/book', (_call, answer) => answer.reset());
    clerk.server.on('/find', (_call, answer) => answer.json(401, {}));
    expect((await resultOf(askTool('book'))).outcome).toBe('ambiguous');
    expect(clerk.server.calls.filter((call) => call.path === '/book')).toHaveLength(1);
  });

  it('a result that is too large: a read fails, an effect is done', async () => {
    clerk.server.on('/huge', (_call, answer) => answer.json(200, 'x'.repeat(100_000)));
    expect(await resultOf(askTool('huge-read'))).toMatchObject({
      outcome: 'error',
      result: { error: expect.stringContaining('ResultTooLarge') },
    });
    expect(await resultOf(askTool('huge-write'))).toMatchObject({ outcome: 'ok', result: { truncated: true } });
  });

  it('a tool that is away fails the attempt, not the model', async () => {
    clerk.server.on('/pay', (_call, answer) => answer.json(503, {}));
    expect(await askTool('pay')).toMatchObject({ kind: 'Error', code: 'TOOL_UNAVAILABLE', retryable: true });
  });

  it('two gateways and ten asks: one effect', async () => {
    const second = await clerk.stage.startGateway();
    clerk.server.on('/send', async (call, answer) => {
      answer.effect(call.body);
      await new Promise((resolve) => setTimeout(resolve, 300));
      answer.json(200, { sent: true });
    });
    const asks = Array.from({ length: 10 }, (_, index) => askTool('send', { id: 'x' }, { turn: index + 1 }));
    const results = await Promise.all(asks.map(resultOf));
    expect(results.every((result) => result.outcome === 'ok')).toBe(true);
    expect(results.filter((result) => result.receipt?.committed === true)).toHaveLength(1);
    expect(acted()).toBe(1);
    expect(await second.terminate()).toBe(0);
  });
});

it('a limit per minute holds over two gateways: the tool is called as often as it says, the others are told', async () => {
  const second = await clerk.stage.startGateway();
  const before = clerk.server.calls.filter(({ path }) => path === '/metered').length;
  expect(before).toBe(0);
  clerk.server.on('/metered', (_call, answer) => answer.json(200, { ok: true }));
  const deadline = Date.now() + 6_000;
  Object.assign(clerk.stage.engine, { allowed: { deadline } });
  const asks = Array.from({ length: 50 }, (_, index) =>
    clerk.stage.ask<ToolAskReply>(
      'tool',
      {
        ...target(),
        run: `metered${index}`,
        call: { id: 'c1', tool: 'metered', args: { id: `m${index}` } },
      },
      30_000,
    ),
  );
  const replies = await Promise.all(asks);
  const done = replies.filter((reply) => reply.kind === 'Result' && reply.result.outcome === 'ok');
  expect(clerk.server.calls.filter(({ path }) => path === '/metered')).toHaveLength(20);
  expect(done).toHaveLength(20);
  const refused = replies.filter((reply) => reply.kind === 'Error');
  expect(refused).toHaveLength(30);
  expect(refused.map((reply) => reply.kind === 'Error' && reply.message).join()).toContain('limits.perMinute');
  expect(clerk.gateway.log() + second.log()).not.toContain('uncaught');
  expect(await second.terminate()).toBe(0);
}, 60_000);

describe('kill -9 of the gateway between ledger-open and ledger-done', () => {
  /** The tool acts (or not), then holds its answer until the gateway is dead. */
  async function crashIn(path: string, name: string, actsFirst: boolean): Promise<ToolResult> {
    let held = 0;
    const seen = new Set<string>();
    clerk.server.on(path, (call, answer) => {
      const key = String(call.headers['idempotency-key'] ?? call.body);
      if (held === 0) {
        held += 1;
        if (actsFirst) {
          seen.add(key);
          answer.effect(key);
        }
        return;
      }
      if (!seen.has(key)) answer.effect(key);
      seen.add(key);
      answer.json(200, { key: key.slice(0, 4) });
    });
    clerk.server.on('/find', (call, answer) => {
      const key = call.query.get('idempotencyKey') ?? '';
      answer.json(seen.has(key) ? 200 : 404, { booking: key.slice(0, 4) });
    });
    const asked = persist(() =>
      clerk.stage.ask<ToolAskReply>('tool', { ...target(), call: { id: 'c1', tool: name, args: { id: 'x' } } }, 1_500),
    );
    while (held === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await clerk.crash();
    return asked;
  }

  it.each<[string, string, string, boolean, string, number]>([
    ['idempotentWrite that had acted is repeated with its key', '/pay', 'pay', true, 'ok', 1],
    ['idempotentWrite that had not acted is repeated', '/pay', 'pay', false, 'ok', 1],
    ['a write that had acted is found by its key', '/book', 'book', true, 'ok', 1],
    ['a write that had not acted is repeated', '/book', 'book', false, 'ok', 1],
    ['irreversible is given to a person and never repeated', '/send', 'send', true, 'ambiguous', 1],
    ['irreversible that had not acted is still ambiguous', '/send', 'send', false, 'ambiguous', 0],
  ])('%s', async (_words, path, name, actsFirst, outcome, effects) => {
    const result = await crashIn(path, name, actsFirst);
    expect(result.outcome).toBe(outcome);
    expect(acted()).toBe(effects);
    if (result.receipt !== undefined) expect(isGenuine(clerk.stage.receiptKey, result.receipt)).toBe(true);
  });

  it('nats-server dies while the tool works: the outcome is kept, one effect', async () => {
    let held = false;
    clerk.server.on('/send', async (call, answer) => {
      answer.effect(call.body);
      held = true;
      await new Promise((resolve) => setTimeout(resolve, 600));
      answer.json(200, { sent: true });
    });
    const ask = () =>
      clerk.stage.ask<ToolAskReply>(
        'tool',
        { ...target(), call: { id: 'c1', tool: 'send', args: { id: 'x' } } },
        2_000,
      );
    const asked = persist(ask);
    while (!held) await new Promise((resolve) => setTimeout(resolve, 10));
    await clerk.stage.nats.crash();
    expect(await asked).toMatchObject({ outcome: 'ok', result: { sent: true }, receipt: { committed: true } });
    expect(acted()).toBe(1);
  });
});

it('no secret is in what any of these gateways said', () => {
  for (const secret of [planted, plantedKey]) expect(clerk.logs()).not.toContain(secret);
  expect(clerk.logs().length).toBeGreaterThan(1_000);
});
