// Owns: everything that can be said of the bundles of some files before they reach a cluster.
import { checkTogether } from '../../core/bundle/together.ts';
import { admissionSays, lookups, type Said, said } from './built.ts';
import type { Declaration, Declared, DeclaredKind } from './declared.ts';

const order = { error: 0, warning: 1 } as const;

/** By file and line. Each is said once, however many bundles show it. */
export function lint(declared: Declared, bundles: readonly Declaration<unknown>[]): readonly Said[] {
  const workflows = new Map([...declared.Workflow].map(([name, { spec }]) => [name, spec]));
  const together = bundles.flatMap(({ metadata: { name } }) => {
    const spec = declared.Bundle.get(name)?.spec;
    if (spec === undefined) return [];
    return checkTogether({ name, spec, existing: lookups(declared), workflows }).flatMap((found) => {
      const on = declared[found.kind].get(found.name);
      return on === undefined ? [] : [said(on, found)];
    });
  });
  const all = [
    ...bundles.flatMap(({ metadata: { name } }) => admissionSays(declared, 'Bundle', name)),
    ...(['Agent', 'EscalationPolicy', 'Model', 'Tool', 'Workflow'] as const satisfies readonly DeclaredKind[]).flatMap(
      (kind) => [...declared[kind].keys()].flatMap((name) => admissionSays(declared, kind, name)),
    ),
    ...together,
  ];
  const once = new Map(all.map((one) => [`${one.place.file}:${one.place.line} ${one.message}`, one]));
  return [...once.values()].toSorted(
    (left, right) =>
      left.place.file.localeCompare(right.place.file) ||
      left.place.line - right.place.line ||
      order[left.severity] - order[right.severity],
  );
}
