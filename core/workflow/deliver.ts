// Owns: bus events for runs that wait.
import type { DeliverRequest } from '../../api/messages/asks.ts';
import { awaitedKey } from './awaited.ts';
import { type Given, stateOf } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { leave } from './flow.ts';

/** What the run waits for, undefined when it waits for no event. */
export function awaited({ state, definition }: Omit<Given, 'now'>): { subject: string; key: string } | undefined {
  if (state.status !== 'Running' || state.activity !== undefined) return undefined;
  const waiting = stateOf(definition, state.state)?.for;
  if (waiting?.event === undefined || waiting.by === undefined) return undefined;
  const key = awaitedKey({ state }, waiting.by);
  return key.ok ? { subject: waiting.event, key: key.key } : undefined;
}

/** Events only for a run that waits for exactly this, and that has not had this event before. */
export function deliverEvent(given: Given, request: DeliverRequest): Reaction<{ readonly taken: boolean }> {
  const { state } = given;
  const waiting = awaited(given);
  if (state.busEvents.includes(request.id)) return { events: [], reply: { taken: true } };
  if (waiting?.subject !== request.subject || waiting.key !== request.key || state.namespace !== request.namespace) {
    return { events: [], reply: { taken: false } };
  }
  const draft = new Draft(given, `event/${request.id}`);
  const { id, subject, key, payload } = request;
  draft.add({ type: 'BusEventReceived', id, subject, key, payload });
  leave(draft, 'received');
  return { events: draft.events, reply: { taken: true } };
}
