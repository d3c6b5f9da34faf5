// Owns: following a bucket for ever.
//   W1: after each `Synced` the watcher knows exactly the current entries, also after a reconnect: what vanished meanwhile
//       is said as `Delete`.
//   W2: a bucket that was made anew (a memory bucket after its server's restart) says nothing of what its owner has not
//       written again yet.
import type { KvWatchEntry } from '@nats-io/kv';
import type { Entry } from '../../ports/bus.ts';
import type { OpenBucket } from './bucket.ts';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';

type Change<T> =
  | { readonly kind: 'Put'; readonly entry: Entry<T> }
  | { readonly kind: 'Delete'; readonly key: string; readonly revision: number }
  | { readonly kind: 'Synced' };

const RETRY_MS = 500;

export async function* watchBucket<T>(open: OpenBucket, signal: AbortSignal): AsyncGenerator<Change<T>> {
  const known = new Set<string>();
  let made: string | undefined;
  while (!signal.aborted) {
    try {
      const pass = await startPass(open, signal);
      const sameBucket = made === pass.created;
      made = pass.created;
      yield* follow<T>(pass, known, sameBucket);
    } catch (error) {
      if (isSignalboxError(error, 'JOURNAL_CORRUPT')) throw error;
    }
    if (!signal.aborted) await pause(RETRY_MS, signal);
  }
}

interface Pass {
  readonly changes: AsyncIterable<KvWatchEntry>;
  readonly empty: boolean;
  readonly created: string;
  readonly end: () => void;
}

/** One subscription; it ends at the next reconnect, and the next pass reads everything again. */
async function startPass(open: OpenBucket, signal: AbortSignal): Promise<Pass> {
  await open.ensure();
  const info = await open.host.manager.streams.info(`KV_${open.name}`);
  const changes = await open.kv.watch();
  const stop = (): void => changes.stop();
  const unlisten = open.host.link.onReconnect(stop);
  signal.addEventListener('abort', stop, { once: true });
  return {
    changes,
    empty: info.state.messages === 0,
    created: info.created,
    end: () => {
      unlisten();
      signal.removeEventListener('abort', stop);
      changes.stop();
    },
  };
}

async function* follow<T>(pass: Pass, known: Set<string>, sameBucket: boolean): AsyncGenerator<Change<T>> {
  const seen = new Set<string>();
  let synced = false;
  let revision = 0;
  const finish = function* (): Generator<Change<T>> {
    synced = true;
    if (sameBucket) {
      for (const key of known) {
        if (seen.has(key)) continue;
        known.delete(key);
        yield { kind: 'Delete', key, revision };
      }
    }
    yield { kind: 'Synced' };
  };
  try {
    if (pass.empty) yield* finish();
    for await (const change of pass.changes) {
      seen.add(change.key);
      ({ revision } = change);
      if (change.operation === 'PUT') {
        known.add(change.key);
        yield { kind: 'Put', entry: { key: change.key, value: parse<T>(change), revision } };
      } else {
        known.delete(change.key);
        yield { kind: 'Delete', key: change.key, revision };
      }
      if (!synced && (change.delta ?? 0) === 0) yield* finish();
    }
  } finally {
    pass.end();
  }
}

function parse<T>(change: KvWatchEntry): T {
  try {
    return change.json<T>();
  } catch (cause) {
    throw new SignalboxError('JOURNAL_CORRUPT', `bucket ${change.bucket}: entry ${change.key} is no JSON`, { cause });
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
