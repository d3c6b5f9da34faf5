// Owns: what is different between two bundles, part by part, from resolved content.
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import { canonicalJson } from '../canonical/canonical.ts';
import type { Ceilings } from '../rollout/risk.ts';

export const bundleParts = ['prompts', 'models', 'tools', 'permissions', 'verifier', 'policy'] as const;
export type BundlePart = (typeof bundleParts)[number];

/** One value that is another, is new (no before) or is gone (no after). */
export interface Change {
  readonly part: BundlePart;
  /** Such as `find-patient.input.properties.phone`. */
  readonly field: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** `ceilings`: the permissions of the Agent, of which a bundle has those of its tools. */
export function compareBundles(before: ResolvedBundle, after: ResolvedBundle, ceilings: Ceilings): readonly Change[] {
  const [was, is] = [viewOf(before, ceilings.before), viewOf(after, ceilings.after)];
  return bundleParts.flatMap((part) =>
    changesIn(was[part], is[part]).map(({ path, ...values }) => ({ part, field: path.join('.'), ...values })),
  );
}

/** The content as people think of it: lists of named things by name, each Model where it is asked. */
function viewOf(
  { spec, tools, models }: ResolvedBundle,
  ceiling: readonly Permission[],
): Readonly<Record<BundlePart, unknown>> {
  const asked = (name: string | undefined): unknown =>
    name === undefined ? undefined : { name, ...(Object.hasOwn(models, name) ? models[name]?.spec : {}) };
  const { rules = [], model } = spec.verifier;
  return {
    prompts: Object.fromEntries(Object.entries(spec.prompts).map(([role, prompt]) => [role, prompt?.text])),
    models: Object.fromEntries(Object.entries(spec.models).map(([role, name]) => [role, asked(name)])),
    tools: Object.fromEntries(
      Object.entries(tools).map(([name, { spec: contract }]) => [
        name,
        { ...contract, listed: spec.tools.includes(name) },
      ]),
    ),
    permissions: Object.fromEntries(
      ceiling.filter(({ tool }) => spec.tools.includes(tool)).map(({ tool, ...permission }) => [tool, permission]),
    ),
    verifier: { model: asked(model), rules: Object.fromEntries(rules.map(({ name, ...rule }) => [name, rule])) },
    policy: spec.policy ?? {},
  };
}

interface Difference {
  readonly path: readonly string[];
  readonly before?: unknown;
  readonly after?: unknown;
}

/** Members that are records on both sides are looked into; what is new or gone is one change. */
function changesIn(before: unknown, after: unknown, path: readonly string[] = []): readonly Difference[] {
  if (before === undefined && after === undefined) return [];
  if (before === undefined) return [{ path, after }];
  if (after === undefined) return [{ path, before }];
  if (isRecord(before) && isRecord(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].flatMap((name) => changesIn(ownOf(before, name), ownOf(after, name), [...path, name]));
  }
  return canonicalJson(before) === canonicalJson(after) ? [] : [{ path, before, after }];
}

type Members = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const ownOf = (members: Members, name: string): unknown => (Object.hasOwn(members, name) ? members[name] : undefined);
