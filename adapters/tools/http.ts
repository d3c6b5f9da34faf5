// Owns: tools over plain HTTP. One request a call, by the runtime's own fetch (so that a proxy from the environment is used).
import type { Json, JsonObject } from '../../api/messages/history.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { ToolReply, ToolRequest } from '../../ports/agent.ts';
import { credentialHeaders } from './headers.ts';
import { networkReply, readBody, statusReply } from './network.ts';
import { fillUrl } from './url.ts';

const hopsMax = 3;

interface Prepared {
  readonly url: URL;
  readonly init: RequestInit & { readonly method: string };
}

/** Never rejects: every outcome is a reply. */
export async function callHttp(
  spec: ToolSpec,
  credential: string | undefined,
  request: ToolRequest,
): Promise<ToolReply> {
  const filled = fillUrl(spec.http?.url ?? '', request.fields, request.args);
  if (!filled.ok) return { kind: 'Refused', error: filled.error };
  const args = Object.fromEntries(Object.entries(request.args).filter(([name]) => !filled.used.has(name)));
  const prepared = prepare(spec, credential, { ...request, args }, filled.url);
  try {
    const response = await send(prepared, hopsMax);
    const body = await readBody(response, response.ok ? request.maxResultBytes : 8_192);
    const refused = statusReply(response.status, response.headers, body.text);
    if (refused !== undefined) return refused;
    if (body.overBytes !== undefined) return { kind: 'Done', result: null, truncatedBytes: body.overBytes };
    return readResult(body.text, response.headers.get('content-type') ?? '');
  } catch (error) {
    return networkReply(error, request.timeoutMs);
  }
}

function prepare(spec: ToolSpec, credential: string | undefined, request: ToolRequest, target: URL): Prepared {
  const { header, argument } = spec.idempotency ?? {};
  const args: JsonObject =
    argument === undefined ? request.args : { ...request.args, [argument]: request.idempotencyKey };
  const method = spec.http?.method ?? 'POST';
  const inQuery = method === 'GET' || method === 'DELETE';
  const url = new URL(target);
  if (inQuery) for (const [name, value] of Object.entries(args)) appendQuery(url, name, value);
  const headers = {
    accept: 'application/json, text/plain;q=0.9, */*;q=0.1',
    ...(inQuery ? {} : { 'content-type': 'application/json' }),
    ...(header === undefined ? {} : { [header]: request.idempotencyKey }),
    ...credentialHeaders(spec, credential),
  };
  const signal = AbortSignal.timeout(request.timeoutMs);
  const init = { method, headers, signal, redirect: 'manual' as const };
  return { url, init: inQuery ? init : { ...init, body: JSON.stringify(args) } };
}

function appendQuery(url: URL, name: string, value: Json): void {
  const values: readonly Json[] = Array.isArray(value) ? value : [value];
  for (const one of values) {
    if (one !== null) url.searchParams.append(name, typeof one === 'string' ? one : JSON.stringify(one));
  }
}

/** Follows redirects of a GET within the origin; any other redirect is the answer. */
async function send(prepared: Prepared, hops: number): Promise<Response> {
  const response = await fetch(prepared.url, prepared.init);
  const location = response.headers.get('location');
  if (response.status < 300 || response.status >= 400 || location === null) return response;
  const next = URL.parse(location, prepared.url.href);
  if (prepared.init.method !== 'GET' || hops === 0 || next?.origin !== prepared.url.origin) return response;
  await response.body?.cancel();
  return send({ ...prepared, url: next }, hops - 1);
}

/** JSON as it is, anything else as text. What claims to be JSON and is none was cut or garbled on its way. */
function readResult(text: string, contentType: string): ToolReply {
  if (!/[/+]json\b/i.test(contentType)) return { kind: 'Done', result: text === '' ? null : text };
  if (text.trim() === '') return { kind: 'Done', result: null };
  try {
    return { kind: 'Done', result: JSON.parse(text) as Json };
  } catch {
    return { kind: 'Unknown', error: 'the answer is cut off or no valid JSON' };
  }
}
