// Owns: what a run is found by: the attributes of its workflow, evaluated whenever a state is entered.
//   B1: an expression that cannot be evaluated, or gives another type, has no value: the run is not found by it.
import type { Attributes, AttributeType } from '../../api/messages/incoming.ts';
import { canonicalJson } from '../canonical/canonical.ts';
import { evaluateValue } from '../cel/cel.ts';
import { timeText } from '../schedule/calendar.ts';
import { timeMs } from '../search/time.ts';
import { type Given, runBinding } from './definition.ts';
import type { Draft } from './draft.ts';

/** Characters of a value; a longer one is cut. */
export const valueMax = 256;

export function attributesOf({ state, definition }: Omit<Given, 'now'>): Attributes {
  const bindings = { input: state.input, facts: state.facts, run: runBinding(state) };
  const found: Record<string, string | number | boolean> = {};
  for (const [name, { value: source, type }] of Object.entries(definition.workflow.spec.attributes ?? {})) {
    const evaluated = evaluateValue(source, bindings);
    const value = evaluated.kind === 'Error' ? undefined : typed(evaluated.value, type);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

function typed(value: unknown, type: AttributeType): string | number | boolean | undefined {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value.slice(0, valueMax) : undefined;
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    case 'bool':
      return typeof value === 'boolean' ? value : undefined;
    case 'time': {
      const at = typeof value === 'string' ? timeMs(value) : undefined;
      return at === undefined ? undefined : timeText(at);
    }
  }
}

export function noteAttributes(draft: Draft): void {
  if (draft.definition.workflow.spec.attributes === undefined) return;
  const attributes = attributesOf(draft);
  if (canonicalJson(attributes) === canonicalJson(draft.state.attributes)) return;
  draft.add({ type: 'AttributesSet', attributes });
}
