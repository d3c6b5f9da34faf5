// Owns: `make crash-sweep`: every case on one of a few lanes, a line for each, and the sum as JSON at the end.
import { cases, nameOf } from './cases.ts';
import { endRuntime, type Result, sweepPlane, sweepRuntime } from './lanes.ts';
import { planeCases, planeNameOf } from './plane-cases.ts';
import { PlaneStage } from './plane-stage.ts';
import { CrashStage } from './stage.ts';

interface Kind<Stage extends { stop(): Promise<void> }, One> {
  readonly waiting: One[];
  readonly start: () => Promise<Stage>;
  readonly sweep: (stage: Stage, one: One) => Promise<Result>;
  readonly nameOf: (one: One) => string;
  /** What is wrong with the whole. */
  readonly end?: (stage: Stage) => Promise<readonly string[]>;
}

const only = process.argv[2] ?? '';
const runtime: Kind<CrashStage, (typeof cases)[number]> = {
  waiting: cases.filter((one) => nameOf(one).includes(only)),
  start: () => CrashStage.start(),
  sweep: sweepRuntime,
  end: (stage) => endRuntime(stage, only === ''),
  nameOf,
};
const plane: Kind<PlaneStage, (typeof planeCases)[number]> = {
  waiting: planeCases.filter((one) => planeNameOf(one).includes(only)),
  start: () => PlaneStage.start(),
  sweep: sweepPlane,
  nameOf: planeNameOf,
};
const total = {
  points: runtime.waiting.length + plane.waiting.length,
  passed: 0,
  failed: 0,
  duplicates: 0,
  ambiguous: 0,
  lostRuns: 0,
};

/** After a failure everything is started anew: the next case shall not suffer from it. */
async function lane<Stage extends { stop(): Promise<void> }, One>(kind: Kind<Stage, One>): Promise<void> {
  let stage: Stage | undefined;
  for (let one = kind.waiting.shift(); one !== undefined; one = kind.waiting.shift()) {
    stage ??= await kind.start();
    const started = performance.now();
    const result = await kind.sweep(stage, one);
    report(kind.nameOf(one), result, performance.now() - started);
    if (result.wrong.length === 0) continue;
    await stage.stop();
    stage = undefined;
  }
  if (stage === undefined) return;
  const wrong = (await kind.end?.(stage)) ?? [];
  if (wrong.length > 0) total.failed += 1;
  for (const what of wrong) process.stdout.write(`FAIL a whole lane: ${what}\n`);
  await stage.stop();
}

function report(name: string, { wrong, duplicates, ambiguous, lostRuns }: Result, ms: number): void {
  total.duplicates += duplicates;
  total.ambiguous += ambiguous;
  total.lostRuns += lostRuns;
  if (wrong.length === 0) total.passed += 1;
  else total.failed += 1;
  const count = `${total.passed + total.failed}/${total.points}`;
  const note = ambiguous > 0 ? ', a person was asked' : '';
  process.stdout.write(
    `${wrong.length === 0 ? 'ok  ' : 'FAIL'} ${count} ${name} ${(ms / 1_000).toFixed(1)} s${note}\n`,
  );
  for (const what of wrong) process.stdout.write(`     ${what}\n`);
}

const lanes = Number(process.env['LANES'] ?? 3);
await Promise.all([
  lane(plane),
  ...Array.from({ length: Math.min(lanes, runtime.waiting.length) }, () => lane(runtime)),
]);
process.stdout.write(`${JSON.stringify(total)}\n`);
process.exit(total.failed === 0 && total.points > 0 ? 0 : 1);
