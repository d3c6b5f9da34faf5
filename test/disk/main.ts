// Entry point of `make powercut`. CUTS=50; SYNC=2m EXPECT_LOSS=1 shows that the check can fail: the server's default must lose.
import { missingForLoopDisks } from './loop-disk.ts';
import { powercut } from './powercut.ts';

const { env } = process;
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const cuts = Number(env['CUTS'] || 50);
const sync = env['SYNC'] || 'always';
const expectLoss = Boolean(env['EXPECT_LOSS']);
if (!Number.isInteger(cuts) || cuts < 1) throw new Error(`CUTS is "${env['CUTS']}"; allowed is a number from 1 on`);
if (sync !== 'always' && sync !== '2m') throw new Error(`SYNC is "${sync}"; allowed are always and 2m`);

const missing = missingForLoopDisks();
if (missing !== undefined) {
  say(`skipped, not passed: ${missing}`);
  process.stdout.write(`${JSON.stringify({ cuts: 0, acknowledged: 0, acknowledgedLost: 0, skipped: missing })}\n`);
  process.exit(1);
}
const { lost, problems, kinds, records, sharedRecords, ...result } = await powercut({ cuts, sync, expectLoss, say });
for (const fact of lost.slice(0, 20)) say(`lost: ${JSON.stringify(fact)}`);
for (const problem of problems.slice(0, 20)) say(problem);
say(`acknowledged: ${JSON.stringify(kinds)}; ${sharedRecords} of ${records} commit records carry several runs`);
process.stdout.write(`${JSON.stringify(result)}\n`);
const good = expectLoss ? result.acknowledgedLost > 0 : result.acknowledgedLost === 0 && problems.length === 0;
process.exit(good ? 0 : 1);
