// Owns: opening questions to people.
//   A1: at most one escalation of a run is open.   A2: each is bound by a digest to exactly what would happen on a yes.
import type { EscalationFacts, ToolResult } from '../../api/messages/history.ts';
import type { EscalationAction } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { digest } from '../canonical/canonical.ts';
import { interpolate } from '../cel/cel.ts';
import type { Firing } from '../escalation/decide.ts';
import { callDigest } from '../permission/digest.ts';
import { durationMs } from '../routing/duration.ts';
import { firstState, policyFor, queueFor, runBinding, stateOf } from './definition.ts';
import type { Draft } from './draft.ts';

const dayMs = 86_400_000;
const questionMax = 1_900;
/** Where no policy names a queue. */
const queueDefault = 'default';

type Question = Pick<EscalationFacts, 'signal' | 'action' | 'question' | 'evidence' | 'digest'> &
  Partial<Pick<EscalationFacts, 'rule' | 'proposal' | 'queue'>>;

function open(draft: Draft, asked: Question, deadlineMax = Number.POSITIVE_INFINITY): void {
  const { state, now } = draft;
  const queue = asked.queue ?? policyFor(draft)?.spec.queues[0]?.name ?? queueDefault;
  const deadline = Math.min(deadlineMax, now + durationMs(queueFor(draft, queue)?.deadline, dayMs));
  const agent = state.activity?.agent;
  draft.add({
    type: 'EscalationOpened',
    escalation: {
      ...asked,
      id: `${state.run}-${state.asked + 1}`.toLowerCase(),
      queue,
      question: asked.question.slice(0, questionMax),
      evidence: asked.evidence.slice(0, 32).map((line) => line.slice(0, 2_000)),
      state: state.state === '' ? firstState(draft) : state.state,
      deadline,
      ...(agent === undefined ? {} : { agent }),
    },
  });
}

/** For a state of type approval; false when its question cannot be filled in. */
export function askForApproval(draft: Draft, spec: WorkflowState): boolean {
  const { state } = draft;
  const bindings = { input: state.input, facts: state.facts, run: runBinding(state) };
  const filled = interpolate(spec.question ?? `May the run go on after ${state.state}?`, bindings);
  if (filled.kind === 'Error') return false;
  const question = typeof filled.value === 'string' ? filled.value : JSON.stringify(filled.value);
  open(
    draft,
    {
      signal: 'approval',
      action: 'approval',
      question,
      evidence: Object.entries(state.facts).map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
      digest: digest({ run: state.run, state: state.state, visit: state.visit, question, facts: state.facts }),
      ...(spec.queue === undefined ? {} : { queue: spec.queue }),
    },
    state.enteredAt + durationMs(spec.timeout, dayMs),
  );
  return true;
}

/** For a call that a permission sends to a person. */
export function askForCall(draft: Draft, result: ToolResult): void {
  const activity = draft.state.activity?.id ?? '';
  const override = stateOf(draft.definition, draft.state.state)?.override;
  const queue = result.approval?.queue ?? override;
  open(draft, {
    signal: 'approval',
    action: 'approval',
    question: result.approval?.question ?? `May ${result.tool} be called?`,
    evidence: [],
    proposal: { tool: result.tool, args: result.args },
    digest: callDigest({ run: draft.state.run, activity, tool: result.tool, args: result.args }),
    ...(queue === undefined ? {} : { queue }),
  });
}

/** For a signal; `subject` is what a yes lets happen. */
export function askForSignal(
  draft: Draft,
  asked: { firing: Firing; action: EscalationAction; subject: unknown },
): void {
  const { firing, action, subject } = asked;
  const { state } = draft;
  const { rule, evidence } = firing;
  open(draft, {
    signal: rule.signal,
    rule: rule.name,
    action,
    question: `Rule ${rule.name} (${rule.signal}) stopped the run: ${evidence[0] ?? 'no evidence'}. May it go on?`,
    evidence,
    digest: digest({ run: state.run, state: state.state, visit: state.visit, rule: rule.name, subject }),
    ...(rule.queue === undefined ? {} : { queue: rule.queue }),
  });
}

/** When a compensation has used up its attempts: a yes tries again, a no gives it up with the person's reason. */
export function askForCompensation(draft: Draft, problem: string): void {
  const { run, state, activity, compensating } = draft.state;
  const of = compensating?.activity ?? '';
  const evidence = [`${state} was to undo ${of}`, `it failed: ${problem}`];
  const attempt = activity?.attempt ?? 0;
  open(draft, {
    signal: 'compensation',
    action: 'humanQueue',
    question: `${of} is not undone: ${state} failed (${problem}). Yes: try again. No: give it up, with your reason.`,
    evidence,
    digest: digest({ run, compensation: state, of, attempt, asked: draft.state.asked }),
  });
}

/** When one state has made so many events that it is taken for a runaway. */
export function askForHistory(draft: Draft, events: number): void {
  const { run, state, visit } = draft.state;
  open(draft, {
    signal: 'history',
    action: 'freeze',
    question: `State ${state} has made ${events} events without an end. May the run go on?`,
    evidence: [`visit ${visit} of state ${state}`, `${events} events since the history was last continued`],
    digest: digest({ run, state, visit, events }),
  });
}
