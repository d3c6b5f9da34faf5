// Owns: a worker's question to a model. The system prompt is written here, from the pinned bundle; the worker sends only what
// comes after it.
import type { ModelAsk, ModelAskReply } from '../../api/messages/asks.ts';
import type { WorkerIdentity } from '../../api/messages/subjects.ts';
import { type Offer, offeredTool, offers } from '../../core/agent/offer.ts';
import { systemPrompt } from '../../core/agent/prompt.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import { digest } from '../../core/canonical/canonical.ts';
import type { ModelReply } from '../../ports/agent.ts';
import { type Admitted, admit } from './admission.ts';
import { callModel, type ModelCall, type ModelOutcome } from './model-call.ts';
import type { Gateway } from './ports.ts';
import { receiptOf } from './receipt.ts';
import { scriptOf } from './script.ts';

/** Calls of one turn; what a model asks beyond it is answered with a problem. */
const callsMax = 16;

export async function answerModelAsk(gateway: Gateway, worker: WorkerIdentity, ask: ModelAsk): Promise<ModelAskReply> {
  const startedAt = gateway.clock.now();
  if (ask.messages.some((message) => message.role === 'system')) {
    return refusal('DENIED', 'messages may not hold a system prompt: the gateway writes it from the bundle');
  }
  const admitted = await admit(gateway, worker, ask, { kind: 'model' });
  if ('kind' in admitted) return refusal(admitted.code, admitted.message);
  const { agent, allowed, bundle } = admitted;
  if (agent === undefined) return refusal('DENIED', `there is no Agent "${worker.agent}" that is Ready`);
  if (admitted.budgetLeftMicros !== undefined && admitted.budgetLeftMicros <= 0) {
    return refusal('DENIED', 'budget: nothing is left of the budget of the run, the activity or the agent');
  }
  const shown = offers(agent, bundle, allowed);
  const asked = digest({ ...target(ask), role: ask.role, messages: ask.messages, final: ask.final ?? false });
  const outcome = await callModel(gateway, admitted, modelCall(admitted, ask, { shown, asked }));
  if (outcome.kind === 'Failed') return { ...outcome, kind: 'Error' };
  return modelReply(gateway, ask, { shown, asked, startedAt, outcome });
}

interface Question {
  readonly shown: readonly Offer[];
  /** Digest of what was asked. */
  readonly asked: string;
}

function modelCall(admitted: Admitted, ask: ModelAsk, { shown, asked }: Question): ModelCall {
  const { output } = admitted.allowed;
  return {
    role: ask.role,
    messages: [{ role: 'system', content: prompt(admitted, ask, shown) }, ...ask.messages.map(wireMessage)],
    tools: ask.role === 'planner' || ask.final === true ? [] : shown.map(offered),
    functions: Object.fromEntries(shown.map((offer) => [offer.tool, offer.name])),
    ...(ask.final === true && output !== undefined ? { output } : {}),
    script: script(admitted, ask),
    idempotencyKey: asked.replace(/^sha256:/, ''),
  };
}

function modelReply(
  gateway: Gateway,
  ask: ModelAsk,
  given: Question & { readonly startedAt: number; readonly outcome: Extract<ModelOutcome, { kind: 'Answered' }> },
): ModelAskReply {
  const { outcome, shown, asked, startedAt } = given;
  const { reply } = outcome;
  const confidence = reply.confidence === undefined ? {} : { confidence: reply.confidence };
  return {
    kind: 'Reply',
    text: reply.text,
    calls: ask.role === 'planner' ? [] : readCalls(reply.calls, shown, ask.turn),
    ...confidence,
    receipt: receiptOf(gateway, ask, startedAt, {
      kind: 'model',
      name: outcome.model,
      outcome: 'ok',
      digest: asked,
      costMicros: outcome.costMicros,
      inputTokens: reply.inputTokens,
      outputTokens: reply.outputTokens,
      ...confidence,
      ...(outcome.backup ? { backup: true } : {}),
      ...(outcome.note === undefined ? {} : { note: outcome.note }),
    }),
  };
}

const refusal = (code: string, message: string): ModelAskReply => ({ kind: 'Error', code, message, retryable: false });

const target = ({ run, activity, attempt, turn }: ModelAsk) => ({ run, activity, attempt, turn });

const offered = ({ name, description, input }: Offer) => ({ name, description, input });

function wireMessage({ role, content, calls, callId }: ModelAsk['messages'][number]) {
  return { role, content, ...(calls === undefined ? {} : { calls }), ...(callId === undefined ? {} : { callId }) };
}

function prompt({ agent, bundle, allowed }: Admitted, ask: ModelAsk, shown: readonly Offer[]): string {
  return systemPrompt(ask.role, {
    agentRole: agent?.role ?? '',
    bundle,
    goal: allowed.goal,
    offers: shown,
    ...(allowed.output === undefined ? {} : { output: allowed.output }),
  });
}

function script(admitted: Admitted, { role, turn, attempt, feedback }: ModelAsk): JsonObject {
  const rejected = admitted.allowed.turns.findLast(
    (known) => known.role === 'verifier' && known.feedback !== undefined,
  );
  return scriptOf(admitted, { role, turn, attempt, feedback: feedback ?? rejected?.feedback ?? '', result: null });
}

/** Function names become Tool names; ids become unique; what cannot be called carries its problem. */
function readCalls(
  calls: ModelReply['calls'],
  shown: readonly Offer[],
  turn: number,
): Extract<ModelAskReply, { kind: 'Reply' }>['calls'] {
  const ids = new Set<string>();
  return calls.slice(0, 64).map((call, index) => {
    const usable = call.id !== '' && call.id.length <= 128 && !ids.has(call.id);
    const id = usable ? call.id : `call_${turn}_${index + 1}`;
    ids.add(id);
    const tool = offeredTool(shown, call.name);
    const problem = tool === undefined ? unknownTool(call.name, shown) : index < callsMax ? call.problem : tooMany;
    return {
      id,
      tool: tool ?? call.name.slice(0, 64),
      args: call.args,
      ...(problem === undefined ? {} : { problem }),
    };
  });
}

const tooMany = `at most ${callsMax} calls are made in one turn; make this one in the next`;

function unknownTool(name: string, shown: readonly Offer[]): string {
  const names = shown.map((offer) => offer.name).join(', ');
  return `there is no tool "${name.slice(0, 64)}"; offered are: ${names === '' ? 'none' : names}`;
}
