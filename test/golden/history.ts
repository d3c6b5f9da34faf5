// Owns: what is recorded of a run, and how it is played again: events in; end state, pending commands and summary out.
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { ResolvedWorkflow } from '../../api/messages/catalog.ts';
import { digest } from '../../core/canonical/canonical.ts';
import type { Definition } from '../../core/workflow/definition.ts';
import { foldHistory } from '../../core/workflow/evolve.ts';
import { plan } from '../../core/workflow/plan.ts';
import { initialState } from '../../core/workflow/state.ts';
import { summaryOf } from '../../core/workflow/summary.ts';
import { bundleOf } from '../support/play.ts';

export interface Golden {
  readonly release: string;
  readonly scenario: string;
  readonly run: string;
  readonly workflow: ResolvedWorkflow;
  readonly events: readonly HistoryEvent[];
  readonly end: End;
  /** Of `end`: a change of the file itself is seen too. */
  readonly digest: string;
}

export interface End {
  readonly state: unknown;
  readonly plan: unknown;
  readonly summary: unknown;
}

export function replay({ run, workflow, events }: Pick<Golden, 'run' | 'workflow' | 'events'>): End {
  const state = foldHistory(initialState(run), events);
  const definition: Definition = {
    workflow,
    bundle: (of) => ({ ...bundleOf(undefined), digest: of }),
    agentPolicy: () => undefined,
  };
  const end = { state, plan: plan({ state, definition }), summary: summaryOf(state) };
  return JSON.parse(JSON.stringify(end)) as End;
}

/** What `now` says about everything that `then` knew: a later release may add members, and may change none. */
export function known(then: unknown, now: unknown): unknown {
  if (Array.isArray(then) && Array.isArray(now)) {
    return then.length === now.length ? then.map((item, at) => known(item, now[at])) : now;
  }
  if (typeof then !== 'object' || then === null || typeof now !== 'object' || now === null) return now;
  const members = now as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(then).flatMap(([name, member]) => (name in members ? [[name, known(member, members[name])]] : [])),
  );
}

export const digestOf = (end: End): string => digest(end);
