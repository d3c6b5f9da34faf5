// Owns: playing all trials of some suites, several at a time, and scoring each as it comes.
import type { Scenario } from '../../api/v1alpha1/scenario.ts';
import type { Effect, ToolSpec } from '../../api/v1alpha1/tool.ts';
import { judgeSuite, type SuiteScore } from '../../core/evaluation/gate.ts';
import { seedOf } from '../../core/evaluation/faults.ts';
import type { TrialRecord } from '../../core/evaluation/record.ts';
import { scoreScenario, type ScenarioScore } from '../../core/evaluation/suite.ts';
import { scoreTrial, type TrialScore } from '../../core/evaluation/trial.ts';
import type { LocalSandbox } from '../local-plane.ts';
import type { Suite } from './read.ts';

export interface PlayedSuite extends SuiteScore {
  readonly name: string;
}

export interface Playing {
  readonly sandbox: LocalSandbox;
  readonly tools: Readonly<Record<string, ToolSpec>>;
  readonly parallel: number;
  readonly stopped: AbortSignal;
  /** A scenario whose trials have all been played. */
  readonly onScenario: (suite: string, score: ScenarioScore) => void;
  /** What is known of a trial, to be kept. */
  readonly onRecord: (suite: string, record: TrialRecord) => Promise<void>;
}

interface Order {
  readonly suite: Suite;
  readonly scenario: Scenario;
  readonly trial: number;
}

export async function playSuites(suites: readonly Suite[], playing: Playing): Promise<readonly PlayedSuite[]> {
  const effects = Object.fromEntries(Object.entries(playing.tools).map(([name, { effect }]) => [name, effect]));
  const orders = suites.flatMap((suite) =>
    suite.scenarios.flatMap(({ scenario }) =>
      Array.from({ length: scenario.trials ?? 1 }, (_, index): Order => ({ suite, scenario, trial: index + 1 })),
    ),
  );
  const scores = new Map<Scenario, TrialScore[]>();
  const line = orders.values();
  const lane = async (): Promise<void> => {
    for (const { suite, scenario, trial } of line) {
      if (playing.stopped.aborted) return;
      const score = await playOne(playing, { suite, scenario, trial }, effects);
      const known = scores.get(scenario) ?? [];
      scores.set(scenario, known);
      known.push(score);
      if (known.length === (scenario.trials ?? 1)) playing.onScenario(suite.name, ordered(scenario, known));
    }
  };
  await Promise.all(Array.from({ length: playing.parallel }, lane));
  return suites.map(({ name, spec, scenarios }) => ({
    name,
    ...judgeSuite(
      scenarios.map(({ scenario }) => ordered(scenario, scores.get(scenario) ?? [])),
      spec.gate,
    ),
  }));
}

const ordered = (scenario: Scenario, scores: readonly TrialScore[]): ScenarioScore =>
  scoreScenario(
    scenario,
    scores.toSorted((left, right) => left.trial - right.trial),
  );

async function playOne(
  { sandbox, onRecord }: Playing,
  { suite, scenario, trial }: Order,
  effects: Readonly<Record<string, Effect>>,
): Promise<TrialScore> {
  const record = await sandbox.play(scenario, trial).catch((error: unknown) => lost(scenario, trial, error));
  await onRecord(suite.name, record);
  return scoreTrial(scenario, record, effects);
}

/** The sandbox is gone: no trial of it says anything about an agent. */
const lost = ({ name, seed, world }: Scenario, trial: number, error: unknown): TrialRecord => ({
  scenario: name,
  trial,
  seed: seedOf(seed, trial),
  end: 'stalled',
  runs: [],
  calls: [],
  state: (world?.state ?? {}) as TrialRecord['state'],
  faults: [],
  elapsedMs: 0,
  problem: error instanceof Error ? error.message : String(error),
});
