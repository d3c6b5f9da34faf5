// Owns: what the gateway asks of model endpoints and tools.
import type { Json, JsonObject } from '../api/messages/history.ts';
import type { ModelSpec } from '../api/v1alpha1/model.ts';
import type { ToolSpec } from '../api/v1alpha1/tool.ts';

export interface ModelMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  readonly calls?: readonly { readonly id: string; readonly tool: string; readonly args: JsonObject }[];
  readonly callId?: string;
}

export interface OfferedTool {
  /** Function name shown to the model. */
  readonly name: string;
  readonly description: string;
  readonly input: JsonObject;
}

export interface ModelRequest {
  readonly messages: readonly ModelMessage[];
  readonly tools: readonly OfferedTool[];
  /** Tool → function name, for the calls in `messages`, which name Tools. */
  readonly functions?: Readonly<Record<string, string>>;
  /** JSON Schema of the answer. */
  readonly output?: JsonObject;
  readonly logprobs: boolean;
  readonly timeoutMs: number;
  /** Repeats of the same logical call carry the same key. */
  readonly idempotencyKey: string;
  /** What a scripted model may look at (CEL variables). */
  readonly script: JsonObject;
}

export interface ModelReply {
  readonly text: string;
  /** `problem`: the arguments could not be read; the model is told so instead of the call being made. */
  readonly calls: readonly {
    readonly id: string;
    readonly name: string;
    readonly args: JsonObject;
    readonly problem?: string;
  }[];
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  /** From log probabilities or the script, 0 … 1. */
  readonly confidence?: number;
}

/** Rejects with MODEL_UNAVAILABLE (may be tried again) or MODEL_FAILED (may not). The credential never leaves the gateway. */
export interface Model {
  ask(spec: ModelSpec, credential: string | undefined, request: ModelRequest): Promise<ModelReply>;
}

export interface ToolRequest {
  readonly args: JsonObject;
  /** Filled into the URL's placeholders. */
  readonly fields: { readonly run: JsonObject; readonly input: JsonObject };
  readonly idempotencyKey: string;
  readonly timeoutMs: number;
  readonly maxResultBytes: number;
}

/**
 * `Done`: the tool answered. `Refused`: it said no, nothing happened. `Unreached`: it certainly never began (connection
 * refused, 429, name unknown). `Unknown`: sent, and no usable answer: for an effect that is Ambiguous.
 */
export type ToolReply =
  /** `truncatedBytes`: the tool acted, but its result was larger than asked for; `result` is null. */
  | { readonly kind: 'Done'; readonly result: Json; readonly truncatedBytes?: number }
  /** `status`: the HTTP status, where there is one. */
  | { readonly kind: 'Refused'; readonly error: string; readonly status?: number }
  | { readonly kind: 'Unreached'; readonly error: string; readonly retryAfterMs?: number }
  | { readonly kind: 'Unknown'; readonly error: string };

export interface Tools {
  call(spec: ToolSpec, credential: string | undefined, request: ToolRequest): Promise<ToolReply>;
}

/** Values of the Secrets that Tools and Models refer to. Rejects with NOT_FOUND. */
export interface Credentials {
  read(ref: { readonly name: string; readonly key: string }): Promise<string>;
}
