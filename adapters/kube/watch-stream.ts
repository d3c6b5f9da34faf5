// Owns: from the bytes of a watch to its events.
import { SignalboxError } from '../../api/errors.ts';
import type { KubeObject, WatchEvent } from '../../ports/kube.ts';
import { failure } from './failure.ts';

const LINE_MAX_BYTES = 16 * 1024 * 1024;
const NEWLINE = 10;

/** Splits at newlines; a line may span chunks and a chunk may hold many. An unfinished last line is dropped. */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      const last = chunk.subarray(from, end);
      const line = restBytes === 0 ? text(last) : text(Buffer.concat([...rest, last]));
      rest = [];
      restBytes = 0;
      from = end + 1;
      if (line.length > 0) yield line;
    }
    if (from < chunk.length) {
      rest.push(Uint8Array.prototype.slice.call(chunk, from));
      restBytes += chunk.length - from;
    }
    if (restBytes > LINE_MAX_BYTES) {
      throw new SignalboxError('KUBE_UNREACHABLE', `a watch event is longer than ${LINE_MAX_BYTES} bytes`);
    }
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

interface WireEvent {
  readonly type: string;
  readonly object: Record<string, unknown>;
}

/** One line of a watch. The server reports "too old" as an ERROR event under HTTP 200. */
export function parseEvent<T extends KubeObject>(line: string, what: string): WatchEvent<T> | undefined {
  let event: WireEvent;
  try {
    event = JSON.parse(line) as WireEvent;
  } catch (cause) {
    throw new SignalboxError('KUBE_GONE', `${what}: a watch event is not JSON; listing again`, { cause });
  }
  switch (event.type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type: event.type, object: event.object as unknown as T };
    case 'BOOKMARK':
      return {
        type: 'BOOKMARK',
        resourceVersion: String((event.object['metadata'] as { resourceVersion?: string }).resourceVersion),
      };
    case 'ERROR':
      throw failure(what, Number(event.object['code'] ?? 500), JSON.stringify(event.object));
    default:
      return undefined;
  }
}
