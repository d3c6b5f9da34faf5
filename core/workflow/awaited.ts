// Owns: which of the events of a subject a waiting run is meant by.
import { evaluateValue } from '../cel/cel.ts';
import { type Given, runBinding } from './definition.ts';

/** The key that an event for this run must have. A key that is neither a text nor a number is an error. */
export function awaitedKey(
  { state }: Pick<Given, 'state'>,
  by: string,
): { readonly ok: true; readonly key: string } | { readonly ok: false; readonly message: string } {
  const key = evaluateValue(by, { input: state.input, facts: state.facts, run: runBinding(state) });
  if (key.kind === 'Error') return { ok: false, message: key.message };
  if (typeof key.value === 'string' || typeof key.value === 'number') return { ok: true, key: String(key.value) };
  return { ok: false, message: 'gives neither a text nor a number' };
}
