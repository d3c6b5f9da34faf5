import { expect, test } from 'vitest';
import { SignalboxError } from '../../api/errors.ts';
import { PartitionWriter } from '../../core/journal/writer.ts';
import type { PartitionJournal, StoredCheckpoint } from '../../ports/journal.ts';
import { loadPartition } from './loading.ts';

/** Its pieces are gone. */
const checkpointAt = (seq: number): StoredCheckpoint =>
  ({
    head: { v: 1, end: { seq, digest: '', linked: true }, archivedTo: 0, facetsVersion: 0, groups: [], at: 0 },
    bytes: 1,
    pieces: () => {
      throw new SignalboxError('JOURNAL_CORRUPT', 'a piece is missing');
    },
  }) as unknown as StoredCheckpoint;

test.each<[string, number, string]>([
  ['by another owner, after a newer checkpoint of its own, is read again', 8, 'JOURNAL_FENCED'],
  ['by nobody is a loss', 5, 'JOURNAL_CORRUPT'],
])('what is taken away while it is read %s', async (_, newer, code) => {
  const found = [checkpointAt(5), checkpointAt(newer)];
  const journal = {
    partition: 0,
    lastSeq: () => Promise.resolve(9),
    checkpoints: { newest: () => Promise.resolve(found.shift()) },
  } as unknown as PartitionJournal;
  const writer = new PartitionWriter({ partition: 0, owner: 'e1' });
  await expect(loadPartition(writer, journal, [])).rejects.toMatchObject({ code });
});
