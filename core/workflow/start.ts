// Owns: the first events of a run.
//   S1: red flags in the input are looked for before any task exists: nothing can act earlier.
import type { StartRequest } from '../../api/messages/asks.ts';
import type { EventOf } from '../../api/messages/history.ts';
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { Assignment } from '../../api/messages/rollout.ts';
import { pinOf } from '../rollout/assign.ts';
import { durationMs } from '../routing/duration.ts';
import { type Definition, firstState } from './definition.ts';
import { noteAttributes } from './attributes.ts';
import { Draft, type Reaction } from './draft.ts';
import { escalate } from './escalate.ts';
import { enter } from './flow.ts';
import { observeStart } from './observe.ts';
import { initialState } from './state.ts';

const runTimeoutDefaultMs = 86_400_000;

export interface Starting {
  readonly definition: Definition;
  readonly now: number;
  readonly request: StartRequest;
  /** Current agents of the namespace by name; each one the workflow names must be there. */
  readonly agents: (name: string) => AgentSnapshot | undefined;
  /** By agent, for those with a rollout under way. */
  readonly assigned?: ReadonlyMap<string, Assignment> | undefined;
}

export type StartReply =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: 'NOT_FOUND' | 'STALE' | 'NOT_OWNER'; readonly message: string };

export function startRun({ definition, now, request, agents, assigned }: Starting): Reaction<StartReply> {
  const { workflow } = definition;
  const { run: _run, branch, ...origin } = request;
  const pinned = branch ?? pinnedBy({ definition, agents, assigned });
  if ('ok' in pinned) return { events: [], reply: pinned };
  const draft = new Draft({ state: initialState(request.run), definition, now }, `start/${request.run}`);
  draft.add({
    type: 'RunStarted',
    ...origin,
    ...(branch === undefined ? {} : { first: branch.first, facts: branch.facts }),
    workflowDigest: workflow.digest,
    pins: pinned.pins,
    ...(pinned.assignments === undefined ? {} : { assignments: pinned.assignments }),
    deadline: Math.max(now, request.startAt ?? now) + durationMs(workflow.spec.timeout, runTimeoutDefaultMs),
  });
  noteAttributes(draft);
  if ((request.startAt ?? now) <= now) begin(draft);
  return draft.reaction({ ok: true });
}

type Pinned = Pick<EventOf<'RunStarted'>, 'pins' | 'assignments'>;

/** The bundle of each agent, kept to the end: as the catalog says now, and as rollouts have assigned the run. */
function pinnedBy({
  definition: { workflow },
  agents,
  assigned,
}: Pick<Starting, 'definition' | 'agents' | 'assigned'>): Pinned | Extract<StartReply, { ok: false }> {
  const pins: Record<string, string> = {};
  const assignments: Record<string, Assignment> = {};
  for (const name of workflow.agents) {
    const agent = agents(name);
    if (agent === undefined) {
      const message = `workflow ${workflow.name} needs agent ${name}, which is not ready; see \`kubectl describe agent ${name}\``;
      return { ok: false, code: 'NOT_FOUND', message };
    }
    const pin = pinOf(agent, assigned?.get(name));
    if (pin === 'Stale') {
      return { ok: false, code: 'NOT_OWNER', message: `the rollout of agent ${name} changed meanwhile; ask again` };
    }
    pins[name] = pin.digest;
    if (pin.assignment !== undefined) assignments[name] = pin.assignment;
  }
  return Object.keys(assignments).length === 0 ? { pins } : { pins, assignments };
}

/** Enters the first state, unless a person is asked first. */
export function begin(draft: Draft): void {
  // The input of a branch was looked at when its parent was started, and people may have let it pass.
  const isBranch = draft.state.first !== undefined;
  const asked = isBranch ? 'Go' : escalate(draft, observeStart(draft), { start: draft.state.input });
  if (asked === 'Go') enter(draft, firstState(draft));
}
