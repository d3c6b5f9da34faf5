// Owns: dead letters on JetStream: one subject per letter, compare-and-set on that subject; what was carried lies in the object
// store, written before the letter that names it.
import { createHash } from 'node:crypto';
import { DeliverPolicy } from '@nats-io/jetstream';
import { SignalboxError } from '../../api/errors.ts';
import { type DeadLetter, type DeadLetterReason, deadLetterReasons } from '../../api/messages/dead-letter.ts';
import { deadLetterSubject, streams } from '../../api/messages/subjects.ts';
import { type GivenUp, groupMax, groupOf, letterId, letterOf, restOf } from '../../core/dead-letter/letter.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { DeadLetterQuery, DeadLetters, StoredLetter } from '../../ports/dead-letters.ts';
import type { NatsBus } from './bus.ts';
import { apiCode, apiCodes, busFailure, isUnknownOutcome, isWrongSequence } from './failure.ts';
import { decode, encode } from './wire.ts';

const stream = streams.deadLetters;
const noteTriesMax = 8;
const WRITE_TIMEOUT_MS = 5_000;

export function natsDeadLetters(bus: NatsBus, now: () => number): DeadLetters {
  const all = allLetters(bus);
  return {
    note: async (given, content) => note(bus, await withinGroup(bus, given), { content, now }),
    async list({ namespace, reason }: DeadLetterQuery, limit) {
      return (await all())
        .map(({ letter }) => letter)
        .filter((letter) => namespace === undefined || letter.namespace === namespace)
        .filter((letter) => reason === undefined || letter.reason === reason)
        .toSorted((left, right) => right.lastAt - left.lastAt)
        .slice(0, limit);
    },
    read: (namespace, id) => read(bus, namespace, id),
    async content({ content }) {
      if (content === undefined) return undefined;
      const bytes = await (await bus.blobs()).get(content.digest);
      return bytes === undefined ? undefined : decode(bytes, content.digest);
    },
    decide: async ({ revision }, decided) => (await write(bus, decided, revision)) !== undefined,
    async sweep(before) {
      const old = (await all()).filter(({ letter }) => (letter.decided?.at ?? Number.POSITIVE_INFINITY) < before);
      for (const { letter } of old) await forget(bus, letter);
      return old.length;
    },
    async counts() {
      const counts = Object.fromEntries(Object.keys(deadLetterReasons).map((reason) => [reason, 0]));
      for (const { letter } of await all()) {
        if (letter.state === 'Open') counts[letter.reason] = (counts[letter.reason] ?? 0) + 1;
      }
      return counts as Record<DeadLetterReason, number>;
    },
  };
}

interface Noted {
  readonly given: GivenUp;
  readonly keeps: boolean;
}

/** Beyond the bound of its group a letter is only counted. */
async function withinGroup(bus: NatsBus, given: GivenUp): Promise<Noted> {
  const filter = deadLetterSubject(given.namespace, groupOf(given), '*');
  try {
    const { state } = await bus.manager.streams.info(stream, { subjects_filter: filter });
    const same = Object.keys(state.subjects ?? {});
    const own = deadLetterSubject(given.namespace, groupOf(given), letterId(given));
    const keeps = same.length < groupMax || same.includes(own);
    return { given: keeps ? given : restOf(given), keeps };
  } catch (error) {
    throw busFailure(error, `count ${filter}`);
  }
}

async function note(
  bus: NatsBus,
  { given, keeps }: Noted,
  { content, now }: { readonly content: unknown; readonly now: () => number },
): Promise<DeadLetter> {
  const kept = content === undefined || !keeps ? undefined : await keep(bus, content);
  for (let tries = 0; tries < noteTriesMax; tries += 1) {
    const known = await read(bus, given.namespace, letterId(given));
    const letter = letterOf(given, known?.letter, now(), kept);
    failpoint('engine.letter.before');
    if ((await write(bus, letter, known?.revision ?? 0)) === undefined) continue;
    failpoint('engine.letter.noted');
    return letter;
  }
  throw new SignalboxError('TIMEOUT', `dead letter ${letterId(given)} could not be written; try again`);
}

async function keep(bus: NatsBus, content: unknown): Promise<NonNullable<DeadLetter['content']>> {
  const bytes = encode(content);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await (await bus.blobs()).put(digest, bytes);
  return { digest, bytes: bytes.length };
}

async function read(bus: NatsBus, namespace: string, id: string): Promise<StoredLetter | undefined> {
  const subject = deadLetterSubject(namespace, '*', id);
  try {
    const found = await bus.manager.streams.getMessage(stream, { last_by_subj: subject });
    if (found === null) return undefined;
    return { letter: decode(found.data, subject) as DeadLetter, revision: found.seq };
  } catch (error) {
    if (apiCode(error) === apiCodes.messageNotFound) return undefined;
    throw busFailure(error, `read ${subject}`);
  }
}

/** Undefined when somebody else wrote first, or nobody knows: then it is read and tried again. */
async function write(bus: NatsBus, letter: DeadLetter, expected: number): Promise<number | undefined> {
  const subject = deadLetterSubject(letter.namespace, letter.group, letter.id);
  try {
    const limits = { expect: { lastSubjectSequence: expected }, timeout: WRITE_TIMEOUT_MS };
    return (await bus.jetstream.publish(subject, encode(letter), limits)).seq;
  } catch (error) {
    if (isWrongSequence(error) || isUnknownOutcome(error)) return undefined;
    if (!full.has(apiCode(error) ?? 0)) throw busFailure(error, `write ${subject}`);
    const message = `the stream ${stream} has reached its bound; decide about its letters: signalbox deadletters list`;
    throw new SignalboxError('OVERLOADED', message, { cause: error });
  }
}
const full = new Set<number>([apiCodes.storeFailed, apiCodes.maximumBytes, apiCodes.storageFull]);

async function forget(bus: NatsBus, { namespace, group, id }: DeadLetter): Promise<void> {
  const subject = deadLetterSubject(namespace, group, id);
  await bus.manager.streams
    .purge(stream, { filter: subject })
    .catch((error: unknown) => Promise.reject(busFailure(error, `forget ${subject}`)));
}

/** Every letter; read again only when the stream has changed. */
function allLetters(bus: NatsBus): () => Promise<readonly StoredLetter[]> {
  let known: { readonly at: string; readonly letters: readonly StoredLetter[] } | undefined;
  return async () => {
    try {
      const { state } = await bus.manager.streams.info(stream);
      const at = `${state.last_seq}/${state.messages}`;
      if (known?.at !== at) known = { at, letters: await readAll(bus, state.messages) };
      return known.letters;
    } catch (error) {
      throw busFailure(error, `read ${stream}`);
    }
  };
}

async function readAll(bus: NatsBus, count: number): Promise<readonly StoredLetter[]> {
  if (count === 0) return [];
  const consumer = await bus.jetstream.consumers.get(stream, { deliver_policy: DeliverPolicy.All });
  const messages = await consumer.consume({ max_messages: 500 });
  const letters: StoredLetter[] = [];
  try {
    for await (const message of messages) {
      letters.push({ letter: decode(message.data, message.subject) as DeadLetter, revision: message.seq });
      if (message.info.pending === 0) break;
    }
  } finally {
    messages.stop();
    void consumer.delete().catch(() => false);
  }
  return letters;
}
