// Owns: the soak of the control plane: agents come and go, people answer, runs are deleted, while the operator, the API server,
// etcd, the controller-manager and nats-server are killed.
import { messageOf } from '../crash/lanes.ts';
import { planeScenarios, type PlaneScenarioName } from '../crash/plane-scenarios.ts';
import { PlaneStage } from '../crash/plane-stage.ts';
import type { Chance } from './chance.ts';

export interface PlaneSoak {
  readonly chance: Chance;
  /** When nothing new is begun. */
  readonly until: number;
  readonly played: (scenario: string) => void;
  readonly killed: (victim: string) => void;
  readonly wrong: (sentence: string) => void;
}

export const planeVictims = ['operator', 'kube-apiserver', 'kube-controller-manager', 'etcd', 'nats-server'] as const;
/** The operator twice as often. */
const chosen = [...planeVictims, 'operator'] as const;
const names = Object.keys(planeScenarios) as readonly PlaneScenarioName[];
/** A server that is killed takes seconds to come back, and the next one may be killed meanwhile. */
const PATIENCE_MS = 240_000;
/** Scenarios at once. */
const lanes = 2;

export async function soakPlane(soak: PlaneSoak): Promise<void> {
  const stage = await PlaneStage.start(PATIENCE_MS);
  let counter = 0;
  const lane = async (): Promise<void> => {
    while (Date.now() < soak.until) {
      const scenario = soak.chance.pick(names);
      await play(stage, scenario, `soak-${(counter += 1)}`, soak);
    }
  };
  const working = Promise.all(Array.from({ length: lanes }, lane));
  await disturb(stage, soak);
  await working;
  await stage.stop();
}

async function play(stage: PlaneStage, scenario: PlaneScenarioName, namespace: string, soak: PlaneSoak): Promise<void> {
  soak.played(scenario);
  try {
    for (const what of await planeScenarios[scenario](stage, namespace))
      soak.wrong(`${scenario} ${namespace}: ${what}`);
  } catch (error) {
    soak.wrong(`${scenario} ${namespace}: ${messageOf(error)}`);
  }
}

async function disturb(stage: PlaneStage, { chance, until, killed, wrong }: PlaneSoak): Promise<void> {
  while (Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, chance.between(5_000, 25_000)));
    const victim = chance.pick(chosen);
    try {
      await stage.kill(victim);
      killed(victim);
    } catch (error) {
      wrong(`${victim} did not come back: ${messageOf(error)}`);
    }
  }
}
