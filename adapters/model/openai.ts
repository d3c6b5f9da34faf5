// Owns: calls to OpenAI-compatible endpoints. One request a call: repeating is decided by routing, never here.
import type OpenAI from 'openai';
import { isSignalboxError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { Model, ModelMessage, ModelReply, ModelRequest } from '../../ports/agent.ts';
import { modelFailed, modelUnavailable, statusFailure } from './failure.ts';

type Completion = OpenAI.Chat.Completions.ChatCompletion;
type Parameters = OpenAI.Chat.Completions.ChatCompletionCreateParamsNonStreaming;
type MessageParam = OpenAI.Chat.Completions.ChatCompletionMessageParam;

/** The package is loaded with the first call: a gateway with scripted models only never pays for it. */
export function openaiModel(): Model {
  return {
    async ask(spec, credential, request) {
      const { OpenAI, APIConnectionTimeoutError, APIError } = await import('openai');
      if (spec.endpoint === undefined) throw modelFailed('spec.endpoint is missing');
      const client = new OpenAI({
        apiKey: credential ?? 'none',
        baseURL: spec.endpoint.baseURL,
        maxRetries: 0,
        timeout: request.timeoutMs,
        organization: null,
        project: null,
        logLevel: 'off',
      });
      try {
        const completion = await client.chat.completions.create(parameters(spec, request), {
          headers: { 'Idempotency-Key': request.idempotencyKey },
          signal: AbortSignal.timeout(request.timeoutMs),
        });
        return read(completion);
      } catch (error) {
        if (isSignalboxError(error)) throw error;
        if (error instanceof APIError && typeof error.status === 'number') {
          throw statusFailure(error.status, error.message, retryAfter(error.headers));
        }
        const timedOut = error instanceof APIConnectionTimeoutError || isAbort(error);
        const what = timedOut ? `did not answer within ${request.timeoutMs} ms` : `failed: ${reason(error)}`;
        throw modelUnavailable(`the model endpoint ${what}`);
      }
    },
  };
}

const isAbort = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'TimeoutError' || error.name === 'AbortError' || /abort/i.test(error.message));

function reason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

function retryAfter(headers: Headers | undefined): number | undefined {
  const seconds = Number(headers?.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}

function parameters(spec: ModelSpec, request: ModelRequest): Parameters {
  const { output, tools, logprobs } = request;
  const max = spec.limits?.maxOutputTokens;
  return {
    model: spec.endpoint?.model ?? '',
    messages: request.messages.map((message) => messageOf(message, request)),
    ...(tools.length === 0
      ? {}
      : { tools: tools.map((tool) => ({ type: 'function' as const, function: functionOf(tool) })) }),
    ...(output === undefined
      ? {}
      : { response_format: { type: 'json_schema' as const, json_schema: { name: 'answer', schema: { ...output } } } }),
    ...(logprobs ? { logprobs: true } : {}),
    ...(max === undefined ? {} : { max_completion_tokens: max }),
  };
}

const functionOf = ({ name, description, input }: ModelRequest['tools'][number]) => ({
  name,
  description,
  parameters: { ...input },
});

function messageOf(message: ModelMessage, request: ModelRequest): MessageParam {
  const { content } = message;
  switch (message.role) {
    case 'system':
    case 'user':
      return { role: message.role, content };
    case 'tool':
      return { role: 'tool', content, tool_call_id: message.callId ?? '' };
    case 'assistant':
      if (message.calls === undefined || message.calls.length === 0) return { role: 'assistant', content };
      return {
        role: 'assistant',
        content: content === '' ? null : content,
        tool_calls: message.calls.map((call) => ({
          id: call.id,
          type: 'function',
          function: { name: functionName(call.tool, request), arguments: JSON.stringify(call.args) },
        })),
      };
  }
}

/** The conversation names Tools; the endpoint knows the functions they were offered as. */
const functionName = (tool: string, request: ModelRequest): string => request.functions?.[tool] ?? tool;

function read(completion: Completion): ModelReply {
  const choice = answered(completion);
  const { message } = choice;
  const confidence = meanProbability(choice.logprobs?.content ?? []);
  return {
    text: message.content ?? '',
    calls: (message.tool_calls ?? []).map(readCall),
    ...usageOf(completion.usage),
    ...(confidence === undefined ? {} : { confidence }),
  };
}

function answered(completion: Completion): Completion['choices'][number] {
  const choice = (completion as Partial<Completion>).choices?.[0];
  const message = choice?.message as Completion['choices'][number]['message'] | undefined;
  if (choice === undefined || message === undefined) {
    throw modelUnavailable('the model endpoint answered without a choice');
  }
  if (typeof message.refusal === 'string' && message.refusal !== '') {
    throw modelFailed(`the model refused: ${message.refusal.slice(0, 500)}`);
  }
  if (choice.finish_reason === 'content_filter') throw modelFailed("the endpoint's content filter stopped the answer");
  return choice;
}

function usageOf(usage: Completion['usage']): Pick<ModelReply, 'inputTokens' | 'cachedInputTokens' | 'outputTokens'> {
  return {
    inputTokens: usage?.prompt_tokens ?? 0,
    cachedInputTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
    outputTokens: usage?.completion_tokens ?? 0,
  };
}

function readCall(call: OpenAI.Chat.Completions.ChatCompletionMessageToolCall): ModelReply['calls'][number] {
  if (call.type !== 'function')
    return { id: call.id, name: 'unknown', args: {}, problem: `call type "${call.type}" is unknown` };
  const { name, arguments: text } = call.function;
  const args = parseArguments(text);
  if (args !== undefined) return { id: call.id, name, args };
  return {
    id: call.id,
    name,
    args: {},
    problem: 'the arguments are no JSON object; make the call again with valid JSON',
  };
}

function parseArguments(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text === '' ? '{}' : text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** exp of the mean log probability: the geometric mean of the tokens' probabilities. */
function meanProbability(tokens: readonly { readonly logprob: number }[]): number | undefined {
  if (tokens.length === 0) return undefined;
  const mean = tokens.reduce((sum, token) => sum + token.logprob, 0) / tokens.length;
  const probability = Math.exp(mean);
  return Number.isFinite(probability) ? Math.min(1, Math.max(0, probability)) : undefined;
}
