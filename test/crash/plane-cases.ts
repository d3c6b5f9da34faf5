// Owns: the list of what is swept at the operator. The two sides of an arrow are one case: it dies before, is started, dies
// after, and is started again.
import { type Failpoint, failpoints } from '../../ports/failpoint.ts';
import type { PlaneScenarioName } from './plane-scenarios.ts';
import type { PlaneFault } from './plane-stage.ts';

export interface PlaneCase {
  /** One after the other; the fault is taken at the last. */
  readonly moments: readonly string[];
  readonly fault: PlaneFault;
  readonly scenario: PlaneScenarioName;
}

type Name = keyof typeof failpoints;
const subjectsOf = (name: Name): readonly string[] => (failpoints[name] as Failpoint).subjects ?? [];

const arrows: readonly (readonly [before: Name, after: Name])[] = [
  ['operator.apply.before', 'operator.apply.written'],
  ['operator.delete.before', 'operator.delete.done'],
  ['operator.status.before', 'operator.status.written'],
  ['operator.finalizer.before', 'operator.finalizer.written'],
  ['operator.engine.before', 'operator.engine.answered'],
  ['operator.bus.before', 'operator.bus.done'],
];

const byRun: readonly string[] = ['Escalation', 'Decision', 'WorkflowRun', 'WorkflowRun/added', 'start', 'decide'];

function scenarioOf(subject: string): PlaneScenarioName {
  if (subject === 'freeze' || subject === 'resume') return 'runIsSuspended';
  if (subject === 'cancel' || subject === 'WorkflowRun/removed') return 'runIsDeleted';
  if (subject === 'BundleRollout' || subject === 'RolloutCommand') return 'bundleIsReleased';
  return byRun.includes(subject) ? 'personAnswers' : 'agentComesAndGoes';
}

const killed = arrows.flatMap(([before, after]) =>
  subjectsOf(before).map((subject): PlaneCase => ({
    moments: [`${before}/${subject}`, `${after}/${subject}`],
    fault: 'kill',
    scenario: scenarioOf(subject),
  })),
);

const held = (moment: string, fault: PlaneFault, scenario: PlaneScenarioName): PlaneCase => ({
  moments: [moment],
  fault,
  scenario,
});

export const planeCases: readonly PlaneCase[] = [
  { moments: ['operator.streams.made'], fault: 'kill', scenario: 'agentComesAndGoes' },
  ...killed,
  {
    moments: ['operator.evidence.before', 'operator.evidence.appended'],
    fault: 'kill',
    scenario: 'bundleIsReleased',
  },
  held('operator.status.written/BundleRollout', 'nats', 'bundleIsReleased'),
  held('operator.apply.before/Escalation', 'apiserver', 'personAnswers'),
  held('operator.apply.written/Escalation', 'apiserver', 'personAnswers'),
  held('operator.finalizer.before/WorkflowRun/removed', 'apiserver', 'runIsDeleted'),
  held('operator.finalizer.before/Agent/removed', 'apiserver', 'agentComesAndGoes'),
  held('operator.engine.before/start', 'nats', 'personAnswers'),
  held('operator.engine.answered/decide', 'nats', 'personAnswers'),
  held('operator.engine.answered/cancel', 'nats', 'runIsDeleted'),
  held('operator.engine.answered/freeze', 'nats', 'runIsSuspended'),
  held('operator.bus.before/ensureConsumer', 'nats', 'agentComesAndGoes'),
  held('operator.bus.done/ensureConsumer', 'nats', 'agentComesAndGoes'),
  held('operator.bus.before/deleteConsumer', 'nats', 'agentComesAndGoes'),
  // Of the bundle that is not used any more, while the agent is on its way to another one and back.
  {
    moments: ['operator.delete.before/Deployment', 'operator.delete.done/Deployment'],
    fault: 'kill',
    scenario: 'agentGoesBack',
  },
  held('operator.delete.before/Deployment', 'nats', 'agentGoesBack'),
];

export const planeNameOf = ({ moments, fault, scenario }: PlaneCase): string =>
  `${moments.join(' then ')} ${fault} ${scenario}`;
