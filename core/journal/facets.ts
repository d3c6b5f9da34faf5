// Owns: what must be known of a run without looking into it: when it wakes, which event it waits for, whether anything has to
// be done for it now. Everything else about a run that waits is packed away.
import { awaited } from '../workflow/deliver.ts';
import type { Given } from '../workflow/definition.ts';
import { type Command, plan } from '../workflow/plan.ts';
import { flagKnown, flagQuiet, flagRests } from './columns.ts';

/** Raised when `facetsOf` answers otherwise for the same run: checkpoints of before are looked through once. */
export const facetsVersion = 2;

export interface Facets {
  /** Nothing is to be done before this time; absent: never by itself. */
  readonly wakeAt?: number;
  /** Of the bus event that it waits for: `eventKey`. */
  readonly awaits?: number;
  /** True when nothing but time, an event or a person moves it: nobody needs to look at it after a takeover. */
  readonly quiet: boolean;
  /** True when it may be packed away although it is not quiet: it waits for its children, whose owners are asked. */
  readonly rests?: boolean;
}

/** `commands`: what `plan` says, where it is known already. */
export function facetsOf(given: Omit<Given, 'now'>, commands: readonly Command[] = plan(given)): Facets {
  const wake = commands.find((command) => command.kind === 'WakeAt');
  const waits = awaited(given);
  // People are told of runs that stand still: each new owner looks at them.
  const goes = given.state.parked === undefined;
  const quiet = goes && commands.every((command) => command.kind === 'WakeAt');
  const rests = goes && !quiet && commands.every((command) => command.kind === 'WakeAt' || 'request' in command);
  return {
    quiet,
    ...(rests ? { rests } : {}),
    ...(wake === undefined ? {} : { wakeAt: wake.at }),
    ...(waits === undefined ? {} : { awaits: eventKey(given.state.namespace, waits.subject, waits.key) }),
  };
}

export const flagsOf = ({ quiet, rests = false }: Facets): number =>
  flagKnown | (quiet ? flagQuiet : 0) | (rests ? flagRests : 0);

/** A number of 32 bits, never 0, for an event that runs wait for. Equal for others too: whoever is found is asked. */
export function eventKey(namespace: string, subject: string, key: string): number {
  let hash = 0x811c9dc5;
  const text = `${namespace}\n${subject}\n${key}`;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0 || 1;
}
