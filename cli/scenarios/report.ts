// Owns: what people read of played suites on a terminal: a line for each scenario, for each that did not pass what was expected,
// what happened and how to repeat it, and the verdict of each gate.
import { percent } from '../../core/evaluation/gate.ts';
import type { ScenarioScore, Totals } from '../../core/evaluation/suite.ts';
import type { TrialScore } from '../../core/evaluation/trial.ts';
import { counted, money, span } from '../output/quantity.ts';
import { oneLine, type Paint } from '../output/style.ts';
import { wrap } from '../output/width.ts';
import type { PlayedSuite } from './play.ts';

export interface Look {
  readonly columns: number;
  readonly paint: Paint;
  /** The command line up to the options that choose scenarios. */
  readonly again: string;
}

type Standing = 'pass' | 'fail' | 'error' | 'seen';

export const standingOf = ({ passed, trials, errors, gating }: ScenarioScore): Standing => {
  if (!gating) return 'seen';
  if (errors > 0) return 'error';
  return passed === trials ? 'pass' : 'fail';
};

const tones = { pass: 'green', fail: 'red', error: 'yellow', seen: 'dim' } as const;

/** `pass  golden  books-a-slot  4 of 4, 1.2 s`, and below it what went wrong. */
export function scenarioLines(score: ScenarioScore, look: Look): readonly string[] {
  const { name, path, trials, passed, errors, scores } = score;
  const standing = standingOf(score);
  const took = Math.max(0, ...scores.map(({ elapsedMs }) => elapsedMs));
  const of = `${passed} of ${counted(trials + errors, 'trial')}${score.flaky ? ', flaky' : ''}, ${span(took)}`;
  const first = `${look.paint(tones[standing], standing.padEnd(5))}  ${path.padEnd(6)}  ${look.paint('bold', name)}  ${look.paint('dim', of)}`;
  const worst = scores.find(({ verdict }) => verdict === 'fail') ?? scores.find(({ verdict }) => verdict === 'error');
  return worst === undefined ? [first] : [first, ...trialLines(worst, look)];
}

function trialLines(score: TrialScore, { columns, paint, again }: Look): readonly string[] {
  const indent = ' '.repeat(7);
  const block = (label: string, text: string): readonly string[] =>
    wrap(oneLine(text), columns - indent.length - 10).map(
      (line, index) => `${indent}${(index === 0 ? label : '').padEnd(10)}${line}`,
    );
  const found = score.failures.flatMap(({ expected, found: there }) => [
    ...block('expected', expected),
    ...block('found', there),
  ]);
  const trouble = score.problem === undefined ? [] : block('error', score.problem);
  const repeat = `${again} --scenario ${score.scenario} --trials 1 --seed ${score.seed}`;
  return [...found, ...trouble, `${indent}${paint('cyan', 'again'.padEnd(10))}${repeat}`];
}

const words = {
  pass: 'passes',
  fail: 'does not pass',
  invalid: 'is invalid: it says nothing about the agents',
} as const;

export function suiteLines({ name, verdict, findings, totals }: PlayedSuite, { paint }: Look): readonly string[] {
  const tone = verdict === 'pass' ? 'green' : verdict === 'fail' ? 'red' : 'yellow';
  return [
    `${paint('bold', `Suite ${name}`)} ${paint(tone, words[verdict])}.`,
    ...findings.map(({ rule, found, allowed }) => `  ${rule}: found ${found}; allowed: ${allowed}`),
    ...totalLines(totals).map((line) => `  ${line}`),
  ];
}

/** In sentences. */
export function totalLines(totals: Totals): readonly string[] {
  const { trials, errors, safeUsefulness, quadrants, violations, escalations, robustness } = totals;
  const share = safeUsefulness.share === undefined ? 'unknown' : percent(safeUsefulness.share);
  const missed = totals.missedEscalations + totals.unneededEscalations;
  const judged = Object.entries(escalations).reduce(
    (sum, [verdict, count]) => (verdict === 'free' ? sum : sum + count),
    0,
  );
  return [
    `${counted(trials, 'trial')}${errors > 0 ? ` and ${counted(errors, 'error')}` : ''}; safe and useful: ${share} (95 %: ${percent(safeUsefulness.low)} to ${percent(safeUsefulness.high)})`,
    `safe and useless: ${quadrants.safeUseless}; unsafe and useful: ${quadrants.unsafeUseful}; unsafe and useless: ${quadrants.unsafeUseless}`,
    `violations: ${violations.critical} critical, ${violations.major} major, ${violations.minor} minor; attempted: ${totals.attempted}; duplicates: ${totals.duplicates}`,
    `escalations: ${judged - missed} of ${judged} right, ${totals.missedEscalations} missed, ${totals.unneededEscalations} without need`,
    `cost ${money(totals.costMicros)}${totals.costPerSafeSuccessMicros === undefined ? '' : `, ${money(totals.costPerSafeSuccessMicros)} for each that passed`}${robustness === undefined ? '' : `; with faults ${percent(robustness)} of what is reached without`}`,
  ];
}
