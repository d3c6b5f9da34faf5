// Owns: what a run is played by: its pinned workflow, the bundles it pinned, and the escalation policy.
import type { JsonObject } from '../../api/messages/history.ts';
import type { ResolvedBundle, ResolvedPolicy, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { EscalationRule, Queue } from '../../api/v1alpha1/escalation-policy.ts';
import { stateTypes, type WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { leftMicros } from '../budget/budget.ts';
import type { RunLimits } from './limits.ts';
import type { RunState } from './state.ts';

export interface Definition {
  readonly workflow: ResolvedWorkflow;
  /** A pinned bundle by its digest. */
  readonly bundle: (digest: string) => ResolvedBundle | undefined;
  /** The policy of an Agent, used where the workflow has none. */
  readonly agentPolicy: (agent: string) => ResolvedPolicy | undefined;
  readonly limits?: Partial<RunLimits>;
}

export interface Given {
  readonly state: RunState;
  readonly definition: Definition;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The first state that this release cannot play, in words: a newer operator has accepted it. */
export function unknownStates({ name, spec }: ResolvedWorkflow): string | undefined {
  for (const [state, { type }] of Object.entries(spec.states)) {
    if ((stateTypes as readonly string[]).includes(type)) continue;
    return `state ${state} of workflow ${name} is of type ${type}, which this engine does not know; run a newer one`;
  }
  return undefined;
}

export function stateOf(definition: Definition, name: string): WorkflowState | undefined {
  return Object.hasOwn(definition.workflow.spec.states, name) ? definition.workflow.spec.states[name] : undefined;
}

/** The state a run begins in: a branch has its own. */
export const firstState = ({ definition, state }: Omit<Given, 'now'>): string =>
  state.first ?? definition.workflow.spec.start;

/** What goals and rules see: a compensation also the result of what it undoes. */
export const factsOf = (state: RunState): JsonObject =>
  state.compensating === undefined ? state.facts : { ...state.facts, ...state.compensating.facts };

/** What the run may spend; undefined: no limit. */
export function budgetLimit({ definition, state }: Omit<Given, 'now'>): number | undefined {
  const limits = [definition.workflow.spec.budget?.perRunMicros, state.budgetMicros].filter(
    (limit) => limit !== undefined,
  );
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/** What may still be spent: the shares of children that are open are theirs, also of those nobody waits for. */
export function budgetLeft(given: Omit<Given, 'now'>): number | undefined {
  const limitMicros = budgetLimit(given);
  if (limitMicros === undefined) return undefined;
  const { children, costMicros } = given.state;
  const shares = children.filter(({ closed }) => closed === undefined).map(({ budgetMicros }) => budgetMicros ?? 0);
  return leftMicros({ limitMicros, spentMicros: shares.reduce((sum, share) => sum + share, costMicros) });
}

export const hasChildren = ({ type }: WorkflowState): boolean => type === 'parallel' || type === 'workflow';

export function policyFor({ definition, state }: Omit<Given, 'now'>): ResolvedPolicy | undefined {
  const { policy } = definition.workflow;
  if (policy !== undefined) return policy;
  const at = state.state === '' ? firstState({ definition, state }) : state.state;
  const agent = state.activity?.agent ?? stateOf(definition, at)?.agent;
  return agent === undefined ? undefined : definition.agentPolicy(agent);
}

export function rulesFor(given: Omit<Given, 'now'>): readonly EscalationRule[] {
  return policyFor(given)?.spec.rules ?? [];
}

export function queueFor(given: Omit<Given, 'now'>, name: string | undefined): Queue | undefined {
  return policyFor(given)?.spec.queues.find((queue) => queue.name === name);
}

/** The run as expressions see it. */
export function runBinding(state: RunState): JsonObject {
  return {
    id: state.run,
    namespace: state.namespace,
    workflow: state.workflow,
    requestedBy: state.requestedBy,
    state: state.state,
    costMicros: state.costMicros,
    attempts: state.attempts,
    ...(state.key === undefined ? {} : { key: state.key }),
  };
}

/** The run as workers and tools see it. */
export function runOf(state: RunState): { id: string; namespace: string; workflow: string; key?: string } {
  const { run: id, namespace, workflow, key } = state;
  return { id, namespace, workflow, ...(key === undefined ? {} : { key }) };
}
