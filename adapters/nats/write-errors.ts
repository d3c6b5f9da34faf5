// Owns: why nats-server stays silent. When its disk is full or broken it answers no publish at all and takes none until it is
// started again; only its health page says so.
import { request as httpRequest } from 'undici';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import { busFailure } from './failure.ts';

interface Health {
  readonly errors?: readonly { readonly stream?: string; readonly error?: string }[];
}

/**
 * Resolves when nothing is known to be wrong with any stream; without a page to ask nothing is known. One is enough: a run needs
 * journal, ledger and object store.
 * @throws SignalboxError JOURNAL_FULL when the disk is full, JOURNAL_UNWRITABLE when it fails otherwise, BUS_UNREACHABLE or
 * TIMEOUT when the page is away.
 */
export async function assertWritable(monitorUrl: string | undefined): Promise<void> {
  if (monitorUrl === undefined) return;
  const { errors = [] } = await readHealth(monitorUrl);
  const found = errors.find(({ error }) => error?.includes('write error') === true);
  if (found?.error === undefined) return;
  const stream = found.stream ?? 'a stream';
  const why = found.error.replace(/^.*write error: /s, '').slice(0, 500);
  if (why.includes('no space left')) {
    throw new SignalboxError(
      'JOURNAL_FULL',
      `${stream}: the disk of nats-server is full (${why}). Nothing is taken: make room on it, then restart nats-server`,
    );
  }
  throw new SignalboxError(
    'JOURNAL_UNWRITABLE',
    `${stream}: nats-server cannot write to its disk (${why}). Nothing is taken: repair the disk, then restart nats-server`,
  );
}

/** The page is 503 exactly when something is wrong. */
async function readHealth(monitorUrl: string): Promise<Health> {
  try {
    const answer = await httpRequest(`${monitorUrl}/healthz?details=true`, {
      headersTimeout: 3_000,
      bodyTimeout: 3_000,
    });
    return (await answer.body.json()) as Health;
  } catch (error) {
    throw busFailure(error, `read ${monitorUrl}/healthz`);
  }
}

export const isDiskError = (error: unknown): boolean =>
  isSignalboxError(error, 'JOURNAL_FULL') || isSignalboxError(error, 'JOURNAL_UNWRITABLE');
