// Owns: the effect ledger on JetStream: one subject per effect, compare-and-set on that subject, read from the leader.
import { isDeepStrictEqual } from 'node:util';
import { ledgerSubject, streams } from '../../api/messages/subjects.ts';
import type { Ledger, LedgerEntry, LedgerKey, LedgerSweep } from '../../ports/journal.ts';
import type { NatsBus } from './bus.ts';
import { unlessReconnected } from './connection.ts';
import { apiCode, apiCodes, busFailure, isUnknownOutcome, isWrongSequence } from './failure.ts';
import { decode, encode } from './wire.ts';

const writeTriesMax = 3;
const WRITE_TIMEOUT_MS = 5_000;

interface Latest {
  readonly revision: number;
  readonly entry?: LedgerEntry;
}

export function natsLedgerSweep(bus: NatsBus): LedgerSweep {
  return {
    async forget(namespace, run) {
      const filter = ledgerSubject(namespace, run, '>');
      try {
        await bus.manager.streams.purge(streams.ledger, { filter });
      } catch (error) {
        throw busFailure(error, `purge ${filter}`);
      }
    },
  };
}

export function natsLedger(bus: NatsBus): Ledger {
  const read = async (key: LedgerKey): Promise<Latest> => {
    const subject = ledgerSubject(key.namespace, key.run, key.key);
    try {
      const found = await bus.manager.streams.getMessage(streams.ledger, { last_by_subj: subject });
      if (found === null) return { revision: 0 };
      return { revision: found.seq, entry: decode(found.data, subject) as LedgerEntry };
    } catch (error) {
      if (apiCode(error) === apiCodes.messageNotFound) return { revision: 0 };
      throw busFailure(error, `read ${subject}`);
    }
  };
  return { read, write: (key, entry, expectedRevision) => write({ bus, read }, key, { entry, expectedRevision }) };
}

interface Writing {
  readonly bus: NatsBus;
  readonly read: (key: LedgerKey) => Promise<Latest>;
}

async function write(
  { bus, read }: Writing,
  key: LedgerKey,
  wanted: { readonly entry: LedgerEntry; readonly expectedRevision: number },
): Promise<number | undefined> {
  const subject = ledgerSubject(key.namespace, key.run, key.key);
  const stored: unknown = JSON.parse(JSON.stringify(wanted.entry));
  let last: unknown;
  for (let tries = 0; tries < writeTriesMax; tries += 1) {
    try {
      const publish = bus.jetstream.publish(subject, encode(wanted.entry), {
        expect: { lastSubjectSequence: wanted.expectedRevision },
        timeout: WRITE_TIMEOUT_MS,
      });
      const ack = await unlessReconnected(bus.link, publish);
      return ack.seq;
    } catch (error) {
      last = error;
      if (!isWrongSequence(error) && !isUnknownOutcome(error)) throw busFailure(error, `write ${subject}`);
      const latest = await read(key);
      if (latest.revision === wanted.expectedRevision) continue;
      // An equal entry is one's own from a try without an answer, perhaps of an earlier call: it says who wrote it and when.
      return isDeepStrictEqual(latest.entry, stored) ? latest.revision : undefined;
    }
  }
  throw busFailure(last, `write ${subject}`);
}
