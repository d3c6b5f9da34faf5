// Owns: the evidence log on JetStream: one subject per rollout, compare-and-set on its last sequence.
import type { MsgRequest } from '@nats-io/jetstream';
import { SignalboxError } from '../../api/errors.ts';
import type { EvidenceRecord } from '../../api/messages/evidence.ts';
import { evidenceSubject, streams } from '../../api/messages/subjects.ts';
import type { EvidenceLog, EvidenceRead } from '../../ports/evidence.ts';
import type { NatsBus } from './bus.ts';
import { apiCode, apiCodes, busFailure, isUnknownOutcome, isWrongSequence } from './failure.ts';
import { decode, encode } from './wire.ts';

const stream = streams.evidence;
const WRITE_TIMEOUT_MS = 5_000;
const full = new Set<number>([apiCodes.storeFailed, apiCodes.maximumBytes, apiCodes.storageFull]);

export const natsEvidence = (bus: NatsBus): EvidenceLog => ({
  read: (rollout) => read(bus, evidenceSubject(rollout)),
  append: (rollout, records, position) => append(bus, { subject: evidenceSubject(rollout), records, position }),
});

async function read(bus: NatsBus, subject: string): Promise<EvidenceRead> {
  const records: EvidenceRecord[] = [];
  let position = 0;
  try {
    for (;;) {
      // The server takes both; the client's type knows only one.
      const next = { seq: position + 1, next_by_subj: subject } as MsgRequest;
      const found = await bus.manager.streams.getMessage(stream, next);
      if (found === null) return { records, position };
      position = found.seq;
      records.push(...batchOf(found.data, subject));
    }
  } catch (error) {
    if (apiCode(error) === apiCodes.messageNotFound) return { records, position };
    throw busFailure(error, `read ${subject}`);
  }
}

/** The judge counts what it does not understand. */
function batchOf(bytes: Uint8Array, subject: string): readonly EvidenceRecord[] {
  try {
    const batch = decode(bytes, subject);
    if (Array.isArray(batch)) return batch as readonly EvidenceRecord[];
  } catch {
    // Told below.
  }
  return [{ type: 'Unreadable' } as unknown as EvidenceRecord];
}

interface Batch {
  readonly subject: string;
  readonly records: readonly EvidenceRecord[];
  readonly position: number;
}

async function append(bus: NatsBus, { subject, records, position }: Batch): Promise<number | undefined> {
  try {
    const limits = { expect: { lastSubjectSequence: position }, timeout: WRITE_TIMEOUT_MS };
    return (await bus.jetstream.publish(subject, encode(records), limits)).seq;
  } catch (error) {
    if (isWrongSequence(error) || isUnknownOutcome(error)) return undefined;
    if (!full.has(apiCode(error) ?? 0)) throw busFailure(error, `write ${subject}`);
    const message = `the stream ${stream} has reached its bound: no rollout goes on until it is enlarged`;
    throw new SignalboxError('OVERLOADED', message, { cause: error });
  }
}
