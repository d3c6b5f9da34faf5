// Owns: bus events for runs that wait.
import type { DeliverRequest } from '../../api/messages/asks.ts';
import { awaitedKey } from './awaited.ts';
import { durationMs } from '../routing/duration.ts';
import { runIdFor } from './partition.ts';
import { type Given, stateOf } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { leave } from './flow.ts';

export interface Awaited {
  readonly subject: string;
  readonly key: string;
  /** Events that came earlier do not count. */
  readonly since: number;
}

/** What the run waits for, undefined when it waits for no event. */
export function awaited({ state, definition }: Omit<Given, 'now'>): Awaited | undefined {
  if (state.status !== 'Running' || state.activity !== undefined || state.ending !== undefined) return undefined;
  const waiting = stateOf(definition, state.state)?.for;
  if (waiting?.event === undefined || waiting.by === undefined) return undefined;
  const key = awaitedKey({ state }, waiting.by);
  if (!key.ok) return undefined;
  // What comes while the run is frozen counts, so the moment it began to wait is not moved by that.
  const began = state.enteredAt - (state.frozenMs ?? 0);
  const since = waiting.lookBack === undefined ? state.startedAt : began - durationMs(waiting.lookBack, 0);
  return { subject: waiting.event, key: key.key, since };
}

/** A subject and key as one token of a subject: 22 characters of base62. */
export const awaitedToken = (subject: string, key: string): string => runIdFor('awaited', subject, key);

export interface Delivered {
  readonly taken: boolean;
  /** It was taken before. */
  readonly known?: true;
}

/** Events only for a run that waits for exactly this, and that has not had this event before. */
export function deliverEvent(given: Given, request: DeliverRequest): Reaction<Delivered> {
  const { state } = given;
  const waiting = awaited(given);
  if (state.busEvents.includes(request.id)) return { events: [], reply: { taken: true, known: true } };
  if (waiting?.subject !== request.subject || waiting.key !== request.key || state.namespace !== request.namespace) {
    return { events: [], reply: { taken: false } };
  }
  if (request.at !== undefined && request.at < waiting.since) return { events: [], reply: { taken: false } };
  const draft = new Draft(given, `event/${request.id}`);
  const { id, subject, key, payload } = request;
  draft.add({ type: 'BusEventReceived', id, subject, key, payload });
  leave(draft, 'received');
  return draft.reaction({ taken: true });
}
