// Owns: `make crash-sweep`: every case on one of a few lanes, a line for each, and the sum as JSON at the end.
import { armingOf, type Case, cases, nameOf } from './cases.ts';
import { scenarios } from './scenarios.ts';
import { CrashStage } from './stage.ts';
import { judge } from './verdict.ts';

interface Result {
  readonly wrong: readonly string[];
  readonly duplicates: number;
  readonly ambiguous: number;
  readonly lostRuns: number;
}

const only = process.argv[2] ?? '';
const lanes = Number(process.env['LANES'] ?? 3);
const waiting = cases.filter((one) => nameOf(one).includes(only));
const total = { points: waiting.length, passed: 0, failed: 0, duplicates: 0, ambiguous: 0, lostRuns: 0 };
let counter = 0;

async function lane(): Promise<void> {
  let stage = await CrashStage.start();
  try {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const started = performance.now();
      const result = await sweep(stage, one);
      report(one, result, performance.now() - started);
      if (result.wrong.length === 0) continue;
      await stage.stop();
      stage = await CrashStage.start();
    }
  } finally {
    await stage.stop();
  }
}

async function sweep(stage: CrashStage, one: Case): Promise<Result> {
  const run = `Sweep${(counter += 1)}`;
  const scenario = scenarios[one.scenario];
  const at = [...(one.after === undefined ? [] : [one.after]), armingOf(one.moment, one.at)];
  try {
    if (one.underWay) await scenario.begin(stage, run);
    const { taken } = await stage.arm({ owner: one.owner, at, fault: one.fault });
    await scenario.begin(stage, run);
    const endings = await scenario.finish(stage, run);
    await taken;
    const verdicts = await Promise.all(endings.map((ending) => judge(stage, ending)));
    const wrong = verdicts.flatMap((verdict) => verdict.wrong);
    const ambiguous = verdicts.reduce((sum, verdict) => sum + verdict.ambiguous, 0);
    if (ambiguous > 0 && !one.mayBeAmbiguous) wrong.push(`${ambiguous} effects are ambiguous without need`);
    return { wrong, ambiguous, duplicates: verdicts.reduce((sum, { duplicates }) => sum + duplicates, 0), lostRuns: 0 };
  } catch (error) {
    const wrong = [messageOf(error)];
    return { wrong, duplicates: 0, ambiguous: 0, lostRuns: wrong[0]?.includes('is closed') === true ? 1 : 0 };
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`;
}

function report(one: Case, { wrong, duplicates, ambiguous, lostRuns }: Result, ms: number): void {
  total.duplicates += duplicates;
  total.ambiguous += ambiguous;
  total.lostRuns += lostRuns;
  if (wrong.length === 0) total.passed += 1;
  else total.failed += 1;
  const count = `${total.passed + total.failed}/${total.points}`;
  const note = ambiguous > 0 ? ', asked a person' : '';
  process.stdout.write(
    `${wrong.length === 0 ? 'ok  ' : 'FAIL'} ${count} ${nameOf(one)} ${(ms / 1_000).toFixed(1)} s${note}\n`,
  );
  for (const what of wrong) process.stdout.write(`     ${what}\n`);
}

await Promise.all(Array.from({ length: Math.min(lanes, waiting.length) }, lane));
process.stdout.write(`${JSON.stringify(total)}\n`);
process.exit(total.failed === 0 && total.points > 0 ? 0 : 1);
