// What a model's behaviour on the wire means: every fault, over the OpenAI protocol against a real server, and scripted ones.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { models } from '../../adapters/model/models.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { isSignalboxError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ModelRequest } from '../../ports/agent.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';

const secret = 'planted-secret-4711';

describe('models over the OpenAI protocol', () => {
  let vendor: ModelServer;
  const model = models(systemClock());
  beforeAll(async () => {
    vendor = await startModelServer();
  });
  afterAll(() => vendor.stop());
  const modelSpec = (): ModelSpec => ({
    endpoint: { baseURL: vendor.url, model: 'small' },
    prices: { currency: 'USD', inputPerMillion: 1, outputPerMillion: 1 },
  });
  const ask = (more: Partial<ModelRequest> = {}) =>
    model.ask(modelSpec(), secret, {
      messages: [{ role: 'user', content: 'hi' }],
      tools: [{ name: 'get_it', description: 'x', input: { type: 'object' } }],
      logprobs: false,
      timeoutMs: 500,
      idempotencyKey: 'k1',
      script: {},
      ...more,
    });

  it('reads text, calls, usage and confidence', async () => {
    vendor.answer(() => ({ text: 'hello', logprobs: [Math.log(0.9), Math.log(0.4)], cached: 30 }));
    const reply = await ask({ logprobs: true });
    expect(reply).toMatchObject({
      text: 'hello',
      calls: [],
      inputTokens: 100,
      cachedInputTokens: 30,
      outputTokens: 20,
    });
    expect(reply.confidence).toBeCloseTo(0.6, 5);
    expect(vendor.requests[0]?.headers.authorization).toBe(`Bearer ${secret}`);
    expect(vendor.requests[0]?.body).toMatchObject({ model: 'small', logprobs: true });
    vendor.answer(() => ({ calls: [{ name: 'get_it', arguments: '{"a":1}' }] }));
    expect(await ask()).toMatchObject({ text: '', calls: [{ id: 'call_1', name: 'get_it', args: { a: 1 } }] });
  });

  it('names functions in the conversation as they were offered', async () => {
    vendor.answer(() => ({ text: 'ok' }));
    const calls = [{ id: 'c1', tool: 'get-it', args: { a: 1 } }];
    await ask({
      functions: { 'get-it': 'get_it' },
      messages: [
        { role: 'assistant', content: '', calls },
        { role: 'tool', content: '{}', callId: 'c1' },
      ],
    });
    expect(vendor.requests[0]?.body.messages[0]?.tool_calls?.[0]).toMatchObject({
      id: 'c1',
      function: { name: 'get_it', arguments: '{"a":1}' },
    });
  });

  it('hands back a call whose arguments are no JSON, so that the model can be told', async () => {
    vendor.answer(() => ({ calls: [{ name: 'get_it', arguments: '{"a":' }] }));
    expect((await ask()).calls[0]).toMatchObject({ args: {}, problem: expect.stringContaining('JSON') });
  });

  it.each<[string, Parameters<ModelServer['answer']>[0], string]>([
    ['408', () => ({ status: 408 }), 'MODEL_UNAVAILABLE'],
    ['409', () => ({ status: 409 }), 'MODEL_UNAVAILABLE'],
    ['429', () => ({ status: 429, headers: { 'retry-after': '3' } }), 'MODEL_UNAVAILABLE'],
    ['500', () => ({ status: 500 }), 'MODEL_UNAVAILABLE'],
    ['400', () => ({ status: 400, text: 'bad schema' }), 'MODEL_FAILED'],
    ['401', () => ({ status: 401 }), 'MODEL_FAILED'],
    ['404', () => ({ status: 404 }), 'MODEL_FAILED'],
    ['a refusal', () => ({ refusal: 'I will not' }), 'MODEL_FAILED'],
    ['the content filter', () => ({ text: '', finish: 'content_filter' }), 'MODEL_FAILED'],
    ['half a body', () => ({ raw: '{"choices":[{"mess' }), 'MODEL_UNAVAILABLE'],
    ['no choice', () => ({ raw: '{"choices":[]}' }), 'MODEL_UNAVAILABLE'],
    ['silence', () => ({ hang: true }), 'MODEL_UNAVAILABLE'],
    ['a reset', () => ({ reset: true }), 'MODEL_UNAVAILABLE'],
  ])('%s', async (_words, said, code) => {
    vendor.answer(said);
    const error = await ask().then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(isSignalboxError(error) && error.code).toBe(code);
    expect(String(error)).not.toContain(secret);
    expect(vendor.requests).toHaveLength(1);
  });
});

describe('scripted models', () => {
  const model = models(systemClock());
  const bindings: JsonObject = {
    role: 'executor',
    agent: 'a',
    goal: 'g',
    state: 's',
    input: { name: 'Ada', items: [1, 2] },
    facts: {},
    turn: 1,
    attempt: 1,
    calls: [],
    feedback: '',
    run: { id: 'r' },
    result: null,
  };
  const ask = (replies: NonNullable<ModelSpec['scripted']>['replies'], content = 'last words') =>
    model.ask({ scripted: { replies } }, undefined, {
      messages: [{ role: 'user', content }],
      tools: [],
      logprobs: false,
      timeoutMs: 1_000,
      idempotencyKey: 'k',
      script: bindings,
    });

  it('gives the first reply that fits, filled in', async () => {
    const reply = await ask([
      { when: "input.name == 'Bob'", text: 'no' },
      {
        when: "lastText.contains('last')",
        calls: [{ tool: 'look', args: { who: '${input.name}', n: '${input.items}' } }],
      },
      { text: 'never' },
    ]);
    expect(reply.calls).toEqual([{ id: 'call_1_1', name: 'look', args: { who: 'Ada', n: [1, 2] } }]);
    expect(reply.inputTokens).toBeGreaterThan(0);
    expect(await ask([{ json: { name: '${input.name}' }, confidence: '0.5' }])).toMatchObject({
      text: '{"name":"Ada"}',
      confidence: 0.5,
    });
  });

  it('says what was tried when nothing fits', async () => {
    const message = await ask([{ name: 'first', when: 'input.age > 1' }, { when: 'false' }]).catch(String);
    expect(message).toContain('first: ');
    expect(message).toContain('replies[1]: false');
  });

  it('fails as told', async () => {
    const codes = [429, 503, 400].map((status) =>
      ask([{ fail: { status, message: 'x' } }]).catch((error: unknown) => isSignalboxError(error) && error.code),
    );
    expect(await Promise.all(codes)).toEqual(['MODEL_UNAVAILABLE', 'MODEL_UNAVAILABLE', 'MODEL_FAILED']);
  });
});
