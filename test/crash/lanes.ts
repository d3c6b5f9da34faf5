// Owns: one case on one lane: what is armed, what is played meanwhile, and how it ended.
import type { Violation } from '../../core/invariants/facts.ts';
import { addCoverage, noCoverage, vacuous } from '../../core/invariants/vacuity.ts';
import { armingOf, type Case } from './cases.ts';
import type { PlaneCase } from './plane-cases.ts';
import { planeScenarios } from './plane-scenarios.ts';
import type { PlaneStage } from './plane-stage.ts';
import { scenarios } from './scenarios.ts';
import type { CrashStage } from './stage.ts';
import { judge } from './verdict.ts';

export interface Result {
  /** Empty when everything ended right. */
  readonly wrong: readonly string[];
  readonly duplicates: number;
  readonly ambiguous: number;
  readonly lostRuns: number;
}

/** Of the operator's log, after a failure. */
const linesShown = 15;

let counter = 0;

export async function sweepRuntime(stage: CrashStage, one: Case): Promise<Result> {
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
    const violations = await stage.recording.collect(stage.runs.control);
    const wrong = [...verdicts.flatMap((verdict) => verdict.wrong), ...violations.map(sentenceOf)];
    const ambiguous = verdicts.reduce((sum, verdict) => sum + verdict.ambiguous, 0);
    if (ambiguous > 0 && !one.mayBeAmbiguous) wrong.push(`${ambiguous} effects are ambiguous without need`);
    return { wrong, ambiguous, duplicates: verdicts.reduce((sum, { duplicates }) => sum + duplicates, 0), lostRuns: 0 };
  } catch (error) {
    return brokenOff(error);
  }
}

/** What can only be said of a whole lane, after its last case. `whole`: it had its share of all cases, and saw enough. */
export async function endRuntime(stage: CrashStage, whole: boolean): Promise<readonly string[]> {
  const violations = await stage.recording.end(stage.runs.control, { listed: true });
  const coverage = noCoverage();
  for (const seen of stage.recording.coverage) addCoverage(coverage, seen);
  return [...violations.map(sentenceOf), ...(whole ? vacuous(coverage, {}) : [])];
}

export const sentenceOf = ({ invariant, run, sentence }: Violation): string =>
  `${invariant}${run === undefined ? '' : ` of run ${run}`}: ${sentence}`;

export async function sweepPlane(stage: PlaneStage, { moments, fault, scenario }: PlaneCase): Promise<Result> {
  try {
    const { taken } = await stage.arm(moments, fault);
    const wrong = await planeScenarios[scenario](stage, `sweep-${(counter += 1)}`);
    await taken;
    return { wrong, duplicates: 0, ambiguous: 0, lostRuns: 0 };
  } catch (error) {
    const broken = brokenOff(error);
    return {
      ...broken,
      wrong: [
        ...broken.wrong,
        ...stage
          .lines()
          .slice(-linesShown)
          .map((line) => line.slice(0, 400)),
      ],
    };
  }
}

/** A run that did not get on in time is lost until the opposite is shown; what broke off before there was one has lost none. */
export function brokenOff(error: unknown): Result {
  const message = messageOf(error);
  const isLost = /run \S+ (?:is closed|did not get there)/.test(message);
  return { wrong: [message], duplicates: 0, ambiguous: 0, lostRuns: isLost ? 1 : 0 };
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`;
}
