// Owns: models that follow a script of their manifest: no key, no network, the same answer each time.
import type { JsonObject } from '../../api/messages/history.ts';
import { scriptedAnswer } from '../../core/agent/script.ts';
import { durationMs } from '../../core/routing/duration.ts';
import type { Model, ModelReply, ModelRequest } from '../../ports/agent.ts';
import type { Clock } from '../../ports/system.ts';
import { modelFailed, modelUnavailable, statusFailure } from './failure.ts';

/** Bytes that count as one token. */
const bytesPerToken = 4;

export function scriptedModel(clock: Clock): Model {
  return {
    async ask(spec, _credential, request) {
      const lastText = request.messages.at(-1)?.content ?? '';
      const answer = scriptedAnswer(spec.scripted?.replies ?? [], { ...request.script, lastText });
      if (answer.kind === 'None') throw modelFailed(answer.message);
      const { reply, text, calls } = answer;
      const delay = durationMs(reply.delay, 0);
      if (delay > 0) await clock.sleep(Math.min(delay, request.timeoutMs));
      if (delay > request.timeoutMs) throw modelUnavailable(`the model did not answer within ${request.timeoutMs} ms`);
      if (reply.fail !== undefined) throw statusFailure(reply.fail.status, reply.fail.message);
      return {
        text,
        calls: calls.map(({ tool, args }, index) => ({ id: callId(request, index), name: tool, args })),
        ...usage(request, text, calls),
        ...(reply.confidence === undefined ? {} : { confidence: Number(reply.confidence) }),
      };
    },
  };
}

const callId = (request: ModelRequest, index: number): string =>
  `call_${JSON.stringify(request.script['turn'] ?? 0)}_${index + 1}`;

function usage(
  request: ModelRequest,
  text: string,
  calls: readonly { readonly tool: string; readonly args: JsonObject }[],
): Pick<ModelReply, 'inputTokens' | 'cachedInputTokens' | 'outputTokens'> {
  const input = JSON.stringify([request.messages, request.tools]);
  const output = text + (calls.length === 0 ? '' : JSON.stringify(calls));
  return { inputTokens: tokens(input), cachedInputTokens: 0, outputTokens: tokens(output) };
}

const tokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / bytesPerToken);
