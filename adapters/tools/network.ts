// Owns: what a failed exchange says about the tool. The line that matters: certainly never begun, or nobody knows.
import type { ToolReply } from '../../ports/agent.ts';

/** Errors before a byte of the request can have reached the tool. */
const neverBegun = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** A rejection of fetch, or of reading the body. */
export function networkReply(error: unknown, timeoutMs: number): ToolReply {
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError')) {
    return { kind: 'Unknown', error: `no answer within ${timeoutMs} ms` };
  }
  const code = codeOf(error);
  if (code !== undefined && neverBegun.has(code)) return { kind: 'Unreached', error: `could not be reached (${code})` };
  return { kind: 'Unknown', error: `the connection failed (${code ?? messageOf(error)})` };
}

function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    const { code } = at as { readonly code?: unknown };
    if (typeof code === 'string') return code;
  }
  return undefined;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message.slice(0, 200) : 'unknown');

/** An HTTP status that is no success; undefined for 2xx. `text`: the answer's body, already bounded. */
export function statusReply(status: number, headers: Headers, text: string): ToolReply | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status >= 300 && status < 400) {
    return { kind: 'Refused', status, error: `answered ${status}: redirects to another origin are not followed` };
  }
  const said = `answered ${status}${text === '' ? '' : `: ${text.slice(0, 2_000)}`}`;
  if (status === 429 || status === 503 || status === 408 || status === 425) {
    const retryAfterMs = retryAfter(headers);
    return { kind: 'Unreached', error: said, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  return status < 500 ? { kind: 'Refused', status, error: said } : { kind: 'Unknown', error: said };
}

function retryAfter(headers: Headers): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, 3_600) * 1_000 : undefined;
}

export interface BoundedBody {
  readonly text: string;
  /** Set when the body was larger; bytes as declared, or read so far. */
  readonly overBytes?: number;
}

/** Reads at most `maxBytes`; what comes after is not waited for. */
export async function readBody(response: Response, maxBytes: number): Promise<BoundedBody> {
  const declared = Number(response.headers.get('content-length') ?? 0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) return { text: '', overBytes: Math.max(size, declared) };
    chunks.push(chunk);
  }
  return { text: Buffer.concat(chunks).toString('utf8') };
}
