// Owns: what is outside of the system: tools with the true log of what they did, and models that are sometimes wrong.
import { modelFailed, modelUnavailable } from '../../adapters/model/failure.ts';
import type { Json, JsonObject } from '../../api/messages/history.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { canonicalJson } from '../../core/canonical/canonical.ts';
import type { FactOf } from '../../core/invariants/facts.ts';
import type { Model, ModelReply, ModelRequest, ToolReply, ToolRequest, Tools } from '../../ports/agent.ts';
import { tools as contracts } from './definitions.ts';
import type { Process, World } from './world.ts';

/** In 1,000 calls. */
export interface Trouble {
  tool: number;
  /** How often a tool is not reached, besides. */
  away: number;
  /** How often a tool acts without an answer, acts late or refuses, besides: each. */
  unsure: number;
  model: number;
  /** How often a model is not there, besides. */
  down: number;
  /** How often a model does something else than the sensible thing. */
  whim: number;
}

type Applied = Omit<FactOf<'Applied'>, 'at' | 'kind'>;

const nameOf = new Map(Object.entries(contracts).map(([name, spec]) => [spec, name]));

export class Outside {
  readonly world: World;
  trouble: Trouble = { tool: 0, away: 0, unsure: 0, model: 0, down: 0, whim: 0 };
  readonly #applied: (fact: Applied) => void;
  readonly #fault: (name: string) => void;
  /** Results by tool and idempotency key: what an idempotent tool recognises, and a query tool finds. */
  readonly #done = new Map<string, Json>();
  readonly #byArguments = new Map<string, Json>();
  /** Digests of proposed calls by run, tool and arguments: which call a request is, whatever key it carries. */
  readonly #proposed = new Map<string, string[]>();

  constructor(world: World, applied: (fact: Applied) => void, fault: (name: string) => void) {
    this.world = world;
    this.#applied = applied;
    this.#fault = fault;
  }

  propose(run: string, call: { readonly tool: string; readonly args: JsonObject }, identity: string): void {
    const key = canonicalJson([run, call.tool, call.args]);
    const known = this.#proposed.get(key) ?? [];
    if (!known.includes(identity)) this.#proposed.set(key, [...known, identity]);
  }

  tools(gateway: Process): Tools {
    return { call: (spec, _secret, request) => this.#call(gateway, spec, request) };
  }

  model(gateway: Process): Model {
    return { ask: (_spec, _secret, request) => this.#ask(gateway, request) };
  }

  #call(gateway: Process, spec: ToolSpec, request: ToolRequest): Promise<ToolReply> {
    const { world } = this;
    const { promise, resolve } = Promise.withResolvers<ToolReply>();
    const name = nameOf.get(spec) ?? '';
    const sentAt = world.now + gateway.skewMs;
    const answer = (afterMs: number, reply: () => ToolReply): void => {
      world.after(afterMs, 'tool answer', gateway, () => resolve(reply()));
    };
    const act = (afterMs: number, then?: (result: Json) => void): void => {
      world.after(afterMs, 'tool acts', undefined, () => {
        const result = this.#act(name, spec, { request, sentAt });
        then?.(result);
      });
    };
    const unknown = (): ToolReply => ({ kind: 'Unknown', error: 'no answer' });
    const usual = 2 + world.jitter.below(40);
    const fate = this.#fate();
    if (fate > 0)
      this.#fault(
        `tool ${['', 'refuses', 'unreached', 'acts, answer lost', 'dies before acting', 'acts late', 'slow'][fate] ?? ''}`,
      );
    switch (fate) {
      case 1:
        answer(usual, () => ({ kind: 'Refused', error: 'no', status: 422 }));
        break;
      case 2:
        answer(usual, () => ({ kind: 'Unreached', error: 'refused' }));
        break;
      case 3:
        act(usual);
        answer(request.timeoutMs, unknown);
        break;
      case 4:
        answer(world.choices.chance(500, 'cut at once') ? usual : request.timeoutMs, unknown);
        break;
      case 5:
        // The connection breaks at once, the tool is still at it.
        act(Math.min(request.timeoutMs, 900));
        answer(usual, unknown);
        break;
      case 6:
        act(request.timeoutMs - 50, (result) => answer(10, () => ({ kind: 'Done', result })));
        break;
      default:
        act(usual, (result) => answer(world.hop(), () => ({ kind: 'Done', result })));
    }
    return promise;
  }

  #fate(): number {
    const { tool, away, unsure } = this.trouble;
    if (tool + away + unsure === 0) return 0;
    const each = Math.floor(tool / 6);
    const more = each + unsure;
    return this.world.choices.rarely([more, each + away, more, each, more, each], 'tool');
  }

  #act(name: string, spec: ToolSpec, { request, sentAt }: { request: ToolRequest; sentAt: number }): Json {
    const { idempotencyKey, args, fields } = request;
    const run = fields.run['id'] as string;
    if (name === 'noted') return this.#done.get(`note ${args['idempotencyKey'] as string}`) ?? null;
    if (name === 'refunded') return this.#byArguments.get(canonicalJson([run, 'refund', args])) ?? null;
    if (spec.effect === 'read') return { found: 'something' };
    const known = this.#done.get(`${name} ${idempotencyKey}`);
    if (known !== undefined && spec.effect === 'idempotentWrite') return known;
    const result = { id: `${name}-${this.#done.size + 1}` };
    this.#done.set(`${name} ${idempotencyKey}`, result);
    this.#byArguments.set(canonicalJson([run, name, args]), result);
    const candidates = this.#proposed.get(canonicalJson([run, name, args])) ?? [];
    const own = `sha256:${idempotencyKey}`;
    const identity = candidates.includes(own) ? own : (candidates.at(-1) ?? own);
    this.#applied({ run, tool: name, effect: spec.effect, identity, sentAt });
    return result;
  }

  #ask(gateway: Process, request: ModelRequest): Promise<ModelReply> {
    const { world } = this;
    const { promise, resolve, reject } = Promise.withResolvers<ModelReply>();
    const rate = Math.floor(this.trouble.model / 3);
    const { model, down } = this.trouble;
    const fate = model + down === 0 ? 0 : world.choices.rarely([rate + down, rate, rate], 'model');
    if (fate > 0) this.#fault(`model ${['', 'unavailable', 'fails', 'slow'][fate] ?? ''}`);
    const usual = 20 + world.jitter.below(200);
    const delay = fate === 3 ? [4_000, 17_000][world.choices.below(2, 'how slow')] : usual;
    world.after(delay ?? usual, 'model answers', gateway, () => {
      if (fate === 1) reject(modelUnavailable('busy'));
      else if (fate === 2) reject(modelFailed('refused'));
      else resolve(this.#answer(request));
    });
    return promise;
  }

  #answer(request: ModelRequest): ModelReply {
    const usage = { inputTokens: 6, cachedInputTokens: 0, outputTokens: 4 };
    const { script } = request;
    const whim = this.trouble.whim === 0 ? 0 : this.#whim();
    if (script['role'] === 'verifier') {
      const text =
        whim === 1 || whim === 2
          ? '{"approved":false,"reason":"not good enough"}'
          : whim === 3
            ? 'hm'
            : '{"approved":true,"reason":"fine"}';
      return { text, calls: [], ...usage };
    }
    const calls = this.#calls(request, whim);
    if (calls.length > 0) return { text: '', calls, ...usage };
    const failed = (script['calls'] as readonly { outcome: string }[]).some(({ outcome }) => outcome !== 'ok');
    const confidence = whim === 2 ? 0.2 : 0.9;
    const text = whim === 3 ? 'I am done.' : JSON.stringify({ ok: !failed, again: whim === 4, confidence });
    return { text, calls: [], ...usage };
  }

  #whim(): number {
    const rate = Math.floor(this.trouble.whim / 8);
    return this.world.choices.rarely([rate, rate, rate, rate, rate, rate, rate, rate], 'whim');
  }

  /** The sensible thing: each tool with an effect once, then the answer. */
  #calls({ script, tools, functions }: ModelRequest, whim: number): ModelReply['calls'] {
    if (whim === 1 || whim === 3) return [];
    const made = script['calls'] as readonly { tool: string; outcome: string }[];
    const offered = tools.map(({ name }) => name);
    const fresh = Object.keys(functions ?? {}).filter(
      (name) => offered.includes(name) && !made.some(({ tool }) => tool === name),
    );
    if (made.some(({ outcome }) => outcome === 'ambiguous')) return [];
    const ref = script['state'] as string;
    const call = (name: string, amount = 1) => ({ id: `${name}-${made.length}`, name, args: { ref, amount } });
    const again = made[0]?.tool;
    switch (whim) {
      case 5:
        return fresh.slice(0, 2).map((name) => call(name));
      case 6:
        return again === undefined ? [] : [call(again)];
      case 7:
        return fresh.slice(0, 1).map((name) => call(name, 2));
      case 8:
        return [call('nothing')];
      default:
        return fresh.slice(0, 1).map((name) => call(name));
    }
  }
}
