// Owns: bringing a partition into memory: the newest complete checkpoint, then the records after it.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import { assertReaches, chainStart, corrupt } from '../../core/journal/chain.ts';
import { EntryReader } from '../../core/journal/checkpoint.ts';
import { flagShown } from '../../core/journal/columns.ts';
import { facetsVersion } from '../../core/journal/facets.ts';
import type { RunTable } from '../../core/journal/table.ts';
import { assertNotBehind, assertSame, type Witness } from '../../core/journal/witness.ts';
import type { PartitionWriter } from '../../core/journal/writer.ts';
import type { PartitionJournal, StoredCheckpoint } from '../../ports/journal.ts';

/** What a partition was made of. */
export interface Loaded {
  /** Record of the checkpoint; 0: there was none. */
  readonly checkpointSeq: number;
  readonly checkpointBytes: number;
  readonly checkpointAt: number;
  readonly archivedTo: number;
  /** Runs with records after the checkpoint. */
  readonly changed: ReadonlySet<string>;
}

/** Runs that are objects while the journal is read. */
const residentMax = 20_000;

/**
 * @throws SignalboxError JOURNAL_CORRUPT or JOURNAL_ROLLED_BACK when the store is not what was written; JOURNAL_FENCED when another
 * owner took away what was being read, after a checkpoint of its own: it is to be read again.
 */
export async function loadPartition(
  writer: PartitionWriter,
  journal: PartitionJournal,
  witnesses: readonly Witness[],
): Promise<Loaded> {
  const checkpoint = await journal.checkpoints.newest();
  try {
    return await loadFrom(checkpoint, { writer, journal, witnesses });
  } catch (error) {
    if (!isSignalboxError(error, 'JOURNAL_CORRUPT')) throw error;
    const newer = (await journal.checkpoints.newest())?.head.end.seq ?? 0;
    if (newer <= (checkpoint?.head.end.seq ?? 0)) throw error;
    const message = `partition ${journal.partition} has a checkpoint at record ${newer} now; what was before it is gone`;
    throw new SignalboxError('JOURNAL_FENCED', message, { cause: error });
  }
}

interface Loading {
  readonly writer: PartitionWriter;
  readonly journal: PartitionJournal;
  readonly witnesses: readonly Witness[];
}

async function loadFrom(
  checkpoint: StoredCheckpoint | undefined,
  { writer, journal, witnesses }: Loading,
): Promise<Loaded> {
  const start = checkpoint?.head.end ?? chainStart;
  const known = checkpoint === undefined ? witnesses : [...witnesses, start];
  const lastSeq = await journal.lastSeq();
  assertNotBehind(journal.partition, known, lastSeq);
  if (checkpoint !== undefined) await restore(writer, checkpoint, journal.partition);
  assertSame(journal.partition, witnesses, start);
  await assertBefore(journal, witnesses, start.seq);
  const changed = new Set<string>();
  // The record of the checkpoint itself is kept, to see that the journal is the one that it was made of.
  for await (const stored of journal.read(Math.max(1, start.seq))) {
    assertSame(journal.partition, known, stored);
    if (stored.seq <= start.seq) continue;
    writer.fold(stored.seq, stored.record, stored.digest);
    for (const { run } of stored.record.runs) changed.add(run);
    packSome(writer.table);
  }
  assertReaches(journal.partition, writer.end, lastSeq);
  writer.serve();
  return {
    checkpointSeq: start.seq,
    checkpointBytes: checkpoint?.bytes ?? 0,
    checkpointAt: checkpoint?.head.at ?? 0,
    archivedTo: checkpoint?.head.archivedTo ?? 0,
    changed,
  };
}

/** Unpacked, what a long journal has would need several times the memory of a partition at work. */
function packSome(table: RunTable): void {
  if (table.resident > residentMax) table.rest(residentMax, { all: true });
}

/** What a checkpoint covers is not read, but a witness may know of a record there. */
async function assertBefore(journal: PartitionJournal, witnesses: readonly Witness[], start: number): Promise<void> {
  for (const witness of witnesses) {
    if (witness.seq === 0 || witness.seq >= start || witness.digest === '') continue;
    const found = await journal.at(witness.seq);
    if (found !== undefined) assertSame(journal.partition, [witness], found);
  }
}

async function restore(writer: PartitionWriter, checkpoint: StoredCheckpoint, partition: number): Promise<void> {
  const { head } = checkpoint;
  writer.resume(head.end);
  writer.table.restoreGroups(head.groups);
  const reader = new EntryReader();
  // Facets that another release has worked out are worked out again.
  const trusted = head.facetsVersion === facetsVersion;
  for await (const piece of checkpoint.pieces()) {
    for (const entry of reader.read(piece)) writer.restore(trusted ? entry : { ...entry, flags: flagShown });
  }
  const tail = checkpoint.tail();
  if (!reader.whole || writer.table.size !== tail.runs) {
    throw corrupt(partition, `its checkpoint has ${writer.table.size} runs and should have ${tail.runs}`);
  }
  writer.table.restoreDictionaries(tail.dictionaries);
}
