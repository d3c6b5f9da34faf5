// Owns: what the journals hold, in the order in which the server stored it: over all partitions.
import { DeliverPolicy } from '@nats-io/jetstream';
import type { NatsBus } from '../../adapters/nats/nats.ts';
import type { CommitRecord } from '../../api/messages/history.ts';
import { journalStream } from '../../api/messages/subjects.ts';
import type { FactOf } from '../../core/invariants/facts.ts';

/** Fields above 64 KiB stay where they are. */
export async function recordsByTime(control: NatsBus, partitions: number): Promise<readonly FactOf<'Appended'>[]> {
  const of = await Promise.all(Array.from({ length: partitions }, (_, partition) => recordsOf(control, partition)));
  return of.flat().toSorted((left, right) => left.at - right.at);
}

async function recordsOf(control: NatsBus, partition: number): Promise<readonly FactOf<'Appended'>[]> {
  const stream = journalStream(partition);
  const { last_seq: end, messages: count } = (await control.manager.streams.info(stream)).state;
  const facts: FactOf<'Appended'>[] = [];
  if (count === 0) return facts;
  const consumer = await control.jetstream.consumers.get(stream, { deliver_policy: DeliverPolicy.All });
  const messages = await consumer.consume({ max_messages: 500 });
  for await (const message of messages) {
    const at = Number(message.timestampNanos / 1_000n) / 1_000;
    facts.push({ kind: 'Appended', at, partition, seq: message.seq, record: message.json<CommitRecord>() });
    if (message.seq >= end) break;
  }
  messages.stop();
  await consumer.delete().catch(() => false);
  return facts;
}
