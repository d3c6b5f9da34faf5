// Owns: the pending commands of a run, computed from its state: after a crash they are simply computed again.
import type { ChildHint, ChildRequest, ClaimReply } from '../../api/messages/asks.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import { defaultPriority, type Priority } from '../../api/messages/priority.ts';
import { whyStopped } from './current.ts';
import { factsOf, type Given, runOf, stateOf } from './definition.ts';
import { requestFor } from './children.ts';
import { nextDue } from './due.ts';
import { fallbackInput } from './flow.ts';
import { openChildren } from './fold-children.ts';
import { goalOf, outputOf } from './schedule.ts';

export type Command =
  | {
      readonly kind: 'DispatchTask';
      /** `<run>/<activity>/<attempt>`. */
      readonly id: string;
      readonly activity: string;
      readonly attempt: number;
      readonly agent: string;
      readonly bundleDigest: string;
      /** Not before this time. */
      readonly notBefore: number;
      readonly priority: Priority;
    }
  | {
      /** The child is to be started or resumed; to be stopped; to be ended. Asked again until it is known to be closed. */
      readonly kind: 'StartChild' | 'FreezeChild' | 'CancelChild';
      readonly id: string;
      /** Id of the child. */
      readonly run: string;
      readonly request: ChildRequest;
    }
  | {
      /** A closed child: its parent is told until it knows. Only then may the child be forgotten. */
      readonly kind: 'TellParent';
      readonly id: string;
      readonly hint: ChildHint;
    }
  | { readonly kind: 'WakeAt'; readonly id: string; readonly at: number }
  | {
      readonly kind: 'StartFallback';
      readonly id: string;
      readonly workflow: string;
      readonly run: string;
      readonly reason: string;
      readonly input: JsonObject;
    };

export function plan(given: Omit<Given, 'now'>): readonly Command[] {
  const { state } = given;
  const commands: Command[] = [];
  const { activity, fallback } = state;
  if (activity?.phase === 'Scheduled' && whyStopped(state) === undefined) {
    const { agent, attempt, bundleDigest, notBefore } = activity;
    const id = `${state.run}/${activity.id}/${attempt}`;
    const priority = state.priority ?? given.definition.workflow.spec.priority ?? defaultPriority;
    const task = { activity: activity.id, attempt, agent, bundleDigest, notBefore, priority };
    commands.push({ kind: 'DispatchTask', id, ...task });
  }
  if (state.parked === undefined) {
    for (const child of openChildren(state)) {
      const request = requestFor(state, child);
      commands.push({
        kind: childCommand[request.want],
        id: `${state.run}/child/${child.run}`,
        run: child.run,
        request,
      });
    }
  }
  if (state.status === 'Closed' && state.parent?.child !== undefined) {
    const { namespace, parent, run } = state;
    commands.push({ kind: 'TellParent', id: `${run}/parent`, hint: { namespace, run: parent.run, child: run } });
  }
  const at = nextDue(given);
  if (at !== undefined) commands.push({ kind: 'WakeAt', id: `${state.run}/wake`, at });
  if (fallback !== undefined) {
    const input = fallbackInput(state, fallback.reason);
    commands.push({ kind: 'StartFallback', id: `${state.run}/fallback`, ...fallback, input });
  }
  return commands;
}

const childCommand = { Running: 'StartChild', Frozen: 'FreezeChild', Cancelled: 'CancelChild' } as const;

/** What a worker gets that claims the current attempt. */
export function workFor({ state, definition }: Omit<Given, 'now'>): ClaimReply {
  const { activity } = state;
  const spec = stateOf(definition, state.state);
  if (activity === undefined || spec === undefined) return { kind: 'Stale', message: 'nothing is at work' };
  const output = outputOf(spec);
  return {
    kind: 'Work',
    run: runOf(state),
    state: state.state,
    activity: activity.id,
    attempt: activity.attempt,
    route: activity.route,
    goal: goalOf(state, spec).text,
    input: state.input,
    facts: factsOf(state),
    ...(output === undefined ? {} : { output }),
    ...(spec.tools === undefined ? {} : { tools: spec.tools }),
    readOnly: state.readOnly || spec.readOnly === true,
    deadline: activity.deadline,
    turns: activity.turns,
    decisions: activity.answers,
  };
}
