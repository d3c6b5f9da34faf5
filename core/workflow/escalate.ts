// Owns: carrying out what the policy says: ask, hand over, reroute, restrict.
//   E1: a rule has its say once (per activity, and for what people wrote once per run); after a person's answer it is settled.
//   E2: an action that cannot be carried out (no backup left, specialist not pinned) becomes a question to people.
import type { EscalationRule } from '../../api/v1alpha1/escalation-policy.ts';
import { decideEscalation, type Firing } from '../escalation/decide.ts';
import type { Observation } from '../escalation/observation.ts';
import { askForSignal } from './approval.ts';
import { firstState, policyFor, rulesFor, stateOf } from './definition.ts';
import type { Draft } from './draft.ts';
import { close, enter } from './flow.ts';
import { runIdFor } from './partition.ts';
import { schedule } from './schedule.ts';

/** `Go`: nothing stops what was about to happen. `Rerouted`: another agent has the task. `Stopped`: a person or another workflow. */
export type Escalated = 'Go' | 'Rerouted' | 'Stopped';

/** Signals about what was said or spent in the whole run rather than in one activity. */
const ofWholeRun: readonly EscalationRule['signal'][] = ['redFlag', 'userFrustration', 'budget'];

/**
 * Asks the policy; `subject` is what a person would say yes to. After a rule that stops nothing the others have their say, since
 * what is seen now may never be seen again. `passed`: rules that have spoken about it.
 */
export function escalate(draft: Draft, seen: Observation, subject: unknown, passed: readonly string[] = []): Escalated {
  const settled = (rule: EscalationRule): boolean => passed.includes(rule.name) || isSettled(draft, rule);
  const { observed, enforced } = decideEscalation(rulesFor(draft), seen, settled);
  for (const { rule, evidence } of observed) {
    draft.add({ type: 'SignalObserved', rule: rule.name, signal: rule.signal, evidence });
  }
  if (enforced === undefined) return floorOrDoubt(draft, seen, subject);
  const acted = act(draft, enforced, subject);
  if (acted !== 'Go') return acted;
  return escalate(draft, seen, subject, [...passed, ...[...observed, enforced].map(({ rule }) => rule.name)]);
}

export function isSettled({ state }: Pick<Draft, 'state'>, rule: EscalationRule): boolean {
  // Every effect that nobody knows of is a question of its own.
  if (rule.signal === 'ambiguousEffect') return false;
  if (ofWholeRun.includes(rule.signal)) return state.settledRules.includes(rule.name);
  return state.settledRules.includes(`${rule.name}@${state.activity?.id ?? ''}`);
}

function act(draft: Draft, firing: Firing, subject: unknown): Escalated {
  const { rule } = firing;
  switch (rule.action) {
    case 'humanQueue':
    case 'approval':
    case 'freeze':
      askForSignal(draft, { firing, action: rule.action, subject });
      return 'Stopped';
    case 'readOnly':
      draft.add({ type: 'ReadOnlySet', rule: rule.name });
      return 'Go';
    case 'fallbackWorkflow':
      // What a run owes stays with it: people are asked, no other workflow.
      if (draft.state.ending !== undefined) return askInstead(draft, firing, subject);
      handOver(draft, rule.workflow ?? '', `rule ${rule.name}: ${firing.evidence[0] ?? rule.signal}`);
      return 'Stopped';
    case 'backupRoute':
      return reroute(draft, firing, { route: 'backup', subject });
    case 'specialist':
      return reroute(draft, firing, { route: 'specialist', subject });
  }
}

type OtherRoute = 'backup' | 'specialist';

function reroute(draft: Draft, firing: Firing, to: { route: OtherRoute; subject: unknown }): Escalated {
  const { rule } = firing;
  // Before the first state there is no task to give away: it is entered, and no worker sees the first assignment.
  if (draft.state.state === '') enter(draft, firstState(draft));
  if (draft.state.status !== 'Running') return 'Stopped';
  const note = { type: 'SignalObserved', rule: rule.name, signal: rule.signal, evidence: firing.evidence } as const;
  if (giveTo(draft, firing, to.route)) {
    if (ofWholeRun.includes(rule.signal)) draft.add(note);
    return 'Rerouted';
  }
  // Slowness alone is no reason to wake a person: the deadline of the state still holds.
  if (rule.signal === 'abnormalLatency') {
    draft.add(note);
    return 'Go';
  }
  return askInstead(draft, firing, to.subject);
}

/** E2 */
function askInstead(draft: Draft, { rule, evidence }: Firing, subject: unknown): Escalated {
  const action = policyFor(draft)?.spec.onEvaluatorUnavailable ?? 'approval';
  const why = [...evidence, `${rule.action} is not possible here: no such route is left`];
  askForSignal(draft, { firing: { rule, evidence: why }, action, subject });
  return 'Stopped';
}

/** False when the route was used before, does not exist, or its agent is not pinned. */
function giveTo(draft: Draft, { rule, evidence }: Firing, route: OtherRoute): boolean {
  const { activity, state } = draft.state;
  const agent = route === 'backup' ? stateOf(draft.definition, state)?.backup : rule.agent;
  if (activity === undefined || activity.routes.includes(route)) return false;
  if (agent === undefined || agent === 'none') return false;
  return schedule(draft, { route, agent, reason: `rule ${rule.name}: ${evidence[0] ?? rule.signal}` });
}

/** What stops a run even where no rule speaks of it: a bundle's own confidence floor, and an effect nobody knows of. */
function floorOrDoubt(draft: Draft, seen: Observation, subject: unknown): Escalated {
  const rules: EscalationRule[] = [];
  if (seen.ambiguous.length > 0) {
    rules.push({ name: 'ambiguous-effect', signal: 'ambiguousEffect', action: 'humanQueue' });
  }
  if (seen.confidence?.floor !== undefined) {
    rules.push({ name: 'confidence-floor', signal: 'lowConfidence', below: '0', action: 'humanQueue' });
  }
  // A rule of the policy for the same signal has spoken, or was settled by a person.
  const spoken = rulesFor(draft)
    .filter((rule) => rule.mode !== 'observe')
    .map((rule) => rule.signal);
  const open = rules.filter((rule) => !spoken.includes(rule.signal));
  const { enforced } = decideEscalation(open, seen, (rule) => isSettled(draft, rule));
  return enforced === undefined ? 'Go' : act(draft, enforced, subject);
}

/** The case goes to another workflow, whose run is named by this one: asked for twice it is the same run. */
export function handOver(draft: Draft, workflow: string, reason: string): void {
  const { namespace, run } = draft.state;
  draft.add({ type: 'FallbackRequested', workflow, run: fallbackRunOf(namespace, workflow, run), reason });
  close(draft, 'handedOver', `handed over to workflow ${workflow}: ${reason}`);
}

export const fallbackRunOf = (namespace: string, workflow: string, run: string): string =>
  runIdFor(namespace, workflow, `fallback/${run}`);
