// Owns: which tools a model is shown, and what a function name in its answer means. Shown is what permission could allow;
// each call is decided again when it is made.
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import type { PermissionMode } from '../../api/v1alpha1/agent.ts';

export interface Offer {
  /** Function name shown to the model. */
  readonly name: string;
  readonly description: string;
  readonly input: JsonObject;
  /** Name of the Tool. */
  readonly tool: string;
}

const notes: Readonly<Record<PermissionMode, string>> = {
  read: '',
  write: '',
  approve: ' (A call waits for the approval of a person.)',
  recommendOnly: ' (A call is recorded as a recommendation to a person; it is not carried out.)',
};

/** Ceiling ∩ bundle ∩ task. */
export function offers(
  agent: AgentSnapshot,
  bundle: ResolvedBundle,
  task: { readonly tools?: readonly string[]; readonly readOnly: boolean },
): readonly Offer[] {
  const taken = new Set<string>();
  return bundle.spec.tools.flatMap((tool) => {
    const spec = bundle.tools[tool]?.spec;
    const mode = agent.permissions.find((permission) => permission.tool === tool)?.mode;
    if (spec === undefined || mode === undefined) return [];
    if (task.tools !== undefined && !task.tools.includes(tool)) return [];
    if (spec.effect !== 'read' && (task.readOnly || mode === 'read')) return [];
    const name = spec.function === undefined || taken.has(spec.function) ? tool : spec.function;
    taken.add(name);
    return [{ name, description: `${spec.description}${notes[mode]}`, input: spec.input as JsonObject, tool }];
  });
}

/** Name of the Tool that a function name means; undefined when nothing of that name was offered. */
export function offeredTool(all: readonly Offer[], name: string): string | undefined {
  return (all.find((offer) => offer.name === name) ?? all.find((offer) => offer.tool === name))?.tool;
}
