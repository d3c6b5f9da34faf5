// Owns: an OpenAI-compatible server for tests: it speaks the real protocol and answers as a test says.
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly {
    readonly role: string;
    readonly content: string | null;
    readonly tool_calls?: readonly { readonly id: string; readonly function: { name: string; arguments: string } }[];
    readonly tool_call_id?: string;
  }[];
  readonly tools?: readonly { readonly function: { readonly name: string; readonly description?: string } }[];
  readonly response_format?: { readonly type: string };
  readonly logprobs?: boolean;
}

export interface Said {
  readonly text?: string;
  readonly calls?: readonly { readonly name: string; readonly arguments: string }[];
  readonly refusal?: string;
  readonly finish?: string;
  readonly logprobs?: readonly number[];
  readonly cached?: number;
  /** Instead of an answer. */
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly raw?: string;
  readonly hang?: boolean;
  readonly delayMs?: number;
  readonly reset?: boolean;
}

export interface ModelServer {
  readonly url: string;
  readonly requests: readonly { readonly headers: IncomingHttpHeaders; readonly body: ChatRequest }[];
  answer(next: (request: ChatRequest, count: number) => Said): void;
  stop(): Promise<void>;
}

export async function startModelServer(): Promise<ModelServer> {
  const requests: { headers: IncomingHttpHeaders; body: ChatRequest }[] = [];
  let next: (request: ChatRequest, count: number) => Said = () => ({ text: 'hello' });
  const server = createServer((request, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const body = JSON.parse(text) as ChatRequest;
      requests.push({ headers: request.headers, body });
      const said = next(body, requests.length);
      if (said.hang === true) return;
      if (said.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, said.delayMs));
      if (said.reset === true) {
        request.socket.resetAndDestroy();
        return;
      }
      response.writeHead(said.status ?? 200, { 'content-type': 'application/json', ...said.headers });
      response.end(said.raw ?? JSON.stringify(said.status === undefined ? completion(said) : failure(said)));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    answer: (given) => {
      next = given;
      requests.length = 0;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const failure = (said: Said) => ({ error: { message: said.text ?? 'failed', type: 'test', code: null, param: null } });

function completion(said: Said) {
  const calls = (said.calls ?? []).map((call, index) => ({
    id: `call_${index + 1}`,
    type: 'function',
    function: call,
  }));
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'test',
    choices: [
      {
        index: 0,
        finish_reason: said.finish ?? (calls.length > 0 ? 'tool_calls' : 'stop'),
        message: {
          role: 'assistant',
          content: said.text ?? null,
          refusal: said.refusal ?? null,
          ...(calls.length > 0 ? { tool_calls: calls } : {}),
        },
        logprobs:
          said.logprobs === undefined
            ? null
            : { content: said.logprobs.map((logprob) => ({ token: 'x', logprob, bytes: null, top_logprobs: [] })) },
      },
    ],
    usage: {
      prompt_tokens: 100,
      completion_tokens: 20,
      total_tokens: 120,
      prompt_tokens_details: { cached_tokens: said.cached ?? 0 },
    },
  };
}
