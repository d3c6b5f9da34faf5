// Owns: the first events of a run.
//   S1: red flags in the input are looked for before any task exists: nothing can act earlier.
import type { StartRequest } from '../../api/messages/asks.ts';
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
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
}

export type StartReply =
  { readonly ok: true } | { readonly ok: false; readonly code: 'NOT_FOUND' | 'STALE'; readonly message: string };

export function startRun({ definition, now, request, agents }: Starting): Reaction<StartReply> {
  const { workflow } = definition;
  const pins: Record<string, string> = { ...request.branch?.pins };
  for (const name of request.branch === undefined ? workflow.agents : []) {
    const agent = agents(name);
    if (agent === undefined) {
      const message = `workflow ${workflow.name} needs agent ${name}, which is not ready; see \`kubectl describe agent ${name}\``;
      return { events: [], reply: { ok: false, code: 'NOT_FOUND', message } };
    }
    pins[name] = agent.bundleDigest;
  }
  const draft = new Draft({ state: initialState(request.run), definition, now }, `start/${request.run}`);
  const { run: _run, branch, ...origin } = request;
  draft.add({
    type: 'RunStarted',
    ...origin,
    ...(branch === undefined ? {} : { first: branch.first, facts: branch.facts }),
    workflowDigest: workflow.digest,
    pins,
    deadline: Math.max(now, request.startAt ?? now) + durationMs(workflow.spec.timeout, runTimeoutDefaultMs),
  });
  noteAttributes(draft);
  if ((request.startAt ?? now) <= now) begin(draft);
  return draft.reaction({ ok: true });
}

/** Enters the first state, unless a person is asked first. */
export function begin(draft: Draft): void {
  // The input of a branch was looked at when its parent was started, and people may have let it pass.
  const isBranch = draft.state.first !== undefined;
  const asked = isBranch ? 'Go' : escalate(draft, observeStart(draft), { start: draft.state.input });
  if (asked === 'Go') enter(draft, firstState(draft));
}
