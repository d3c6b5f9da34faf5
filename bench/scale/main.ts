// Entry point of `make scale`. Settings come from the environment: WAITING=1000000, CONCURRENT=10000, EVENTS=50000 (0 leaves a part
// out), WRITE=1 (the page RESULTS.md), JSON=1 (last line).
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeMachine, fdatasyncMs, load } from '../runtime/machine.ts';
import { measureConcurrent } from './concurrent.ts';
import { measureLong } from './long.ts';
import { page, type ScaleReport, table } from './report.ts';
import { measureWaiting } from './waiting.ts';

const { env } = process;
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const count = (name: string, otherwise: number): number => {
  const value = Number(env[name] || otherwise);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new Error(`${name} is "${env[name]}"; allowed is a number from 0 on`);
};

const [waiting, concurrent, events] = [
  count('WAITING', 1_000_000),
  count('CONCURRENT', 10_000),
  count('EVENTS', 50_000),
];
const report: ScaleReport = {
  at: new Date().toISOString().slice(0, 16).replace('T', ' '),
  machine: await describeMachine(),
  fdatasyncMs: fdatasyncMs(tmpdir()),
  load: load(),
  ...(concurrent === 0 ? {} : { concurrent: await measureConcurrent(concurrent, say) }),
  ...(events === 0 ? {} : { long: await measureLong(events, say) }),
  ...(waiting === 0 ? {} : { waiting: await measureWaiting(waiting, say) }),
};
process.stdout.write(`${table(report)}\n`);
if (env['WRITE']) await writeFile(join(import.meta.dirname, 'RESULTS.md'), page(report));
if (env['JSON']) process.stdout.write(`${JSON.stringify(report)}\n`);
