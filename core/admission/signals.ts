// Owns: the static checks of a Workflow's signals.
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { type Finding, finding, quote, quoteAll } from './finding.ts';
import { checkObjectSchema } from './json-schema.ts';

export function checkSignals({ signals = {}, states }: WorkflowSpec): readonly Finding[] {
  const awaited = [...new Set(Object.values(states).flatMap((state) => state.for?.signal ?? []))].toSorted();
  return Object.entries(signals).flatMap(([name, { schema }]) => [
    ...(schema === undefined ? [] : checkObjectSchema(`spec.signals[${name}].schema`, schema)),
    ...(awaited.includes(name)
      ? []
      : [
          finding('signalUnused', `spec.signals[${name}]`, {
            found: `signal ${quote(name)}, which no state waits for`,
            allowed: `the signals of states of type wait: ${quoteAll(awaited)}`,
          }),
        ]),
  ]);
}
