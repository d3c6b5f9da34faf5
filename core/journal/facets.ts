// Owns: what must be known of a run without looking into it: when it wakes, which event it waits for, whether anything has to
// be done for it now. Everything else about a run that waits is packed away.
import { awaited } from '../workflow/deliver.ts';
import type { Given } from '../workflow/definition.ts';
import { type Command, plan } from '../workflow/plan.ts';

/** Raised when `facetsOf` answers otherwise for the same run: checkpoints of before are looked through once. */
export const facetsVersion = 1;

export interface Facets {
  /** Nothing is to be done before this time; absent: never by itself. */
  readonly wakeAt?: number;
  /** Of the bus event that it waits for: `eventKey`. */
  readonly awaits?: number;
  /** True when nothing but time, an event or a person moves it: it may be packed away. */
  readonly quiet: boolean;
}

/** `commands`: what `plan` says, where it is known already. */
export function facetsOf(given: Omit<Given, 'now'>, commands: readonly Command[] = plan(given)): Facets {
  const wake = commands.find((command) => command.kind === 'WakeAt');
  const waits = awaited(given);
  return {
    // People are told of runs that stand still: each new owner looks at them.
    quiet: given.state.parked === undefined && commands.every((command) => command.kind === 'WakeAt'),
    ...(wake === undefined ? {} : { wakeAt: wake.at }),
    ...(waits === undefined ? {} : { awaits: eventKey(given.state.namespace, waits.subject, waits.key) }),
  };
}

/** A number of 32 bits, never 0, for an event that runs wait for. Equal for others too: whoever is found is asked. */
export function eventKey(namespace: string, subject: string, key: string): number {
  let hash = 0x811c9dc5;
  const text = `${namespace}\n${subject}\n${key}`;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0 || 1;
}
