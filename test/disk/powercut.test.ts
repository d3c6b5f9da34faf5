// A few power cuts in every test run; `make powercut` makes fifty. Without root and loop devices they are skipped, and say so.
import { describe, expect, test } from 'vitest';
import { missingForLoopDisks } from './loop-disk.ts';
import { powercut } from './powercut.ts';

const missing = missingForLoopDisks();
const say = (): void => undefined;
if (missing !== undefined) process.stderr.write(`power cuts are skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)('power cuts of the disk under nats-server', () => {
  test('five cuts under load: everything acknowledged is in the journal, folded and in the ledger', async () => {
    const result = await powercut({ cuts: 5, sync: 'always', expectLoss: false, say });
    expect(result).toMatchObject({ cuts: 5, acknowledgedLost: 0, lost: [], problems: [] });
    for (const kind of ['start', 'proposal', 'turn', 'complete', 'decision', 'effect', 'event', 'cancel'] as const) {
      expect(result.kinds[kind], kind).toBeGreaterThan(5);
    }
    expect(result.sharedRecords).toBeGreaterThan(5);
  }, 300_000);

  test('the check can fail: the sync_interval that the server has by default loses what it acknowledged', async () => {
    const result = await powercut({ cuts: 5, sync: '2m', expectLoss: true, say });
    expect(result.acknowledgedLost).toBeGreaterThan(0);
  }, 300_000);
});
