// Owns: what a bundle is made of, and its identity: the same for the operator, who publishes it, and for whoever builds it from
// files.
//   I1: the digest is over agent, spec, tool contracts and models; not over names, namespaces or dates.
//   I2: a tool that a listed one is looked up with belongs to the content, but not to `spec.tools`: no model is offered it,
//       no call of it is permitted; only the gateway asks it.
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { digest } from '../canonical/canonical.ts';

/** Of an object what a bundle takes. */
interface Spec<S> {
  readonly spec: S;
}
export interface Parts {
  /** The listed tools and those they are looked up with. */
  readonly tools: Readonly<Record<string, Spec<ToolSpec> | undefined>>;
  readonly models: Readonly<Record<string, Spec<ModelSpec> | undefined>>;
}
export interface BundleRoot extends Spec<BundleSpec> {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export const modelNames = ({ models, verifier }: BundleSpec): readonly string[] => [
  ...new Set([models.start, models.backup, models.planner, verifier.model].filter((name) => name !== undefined)),
];

/** Which of the listed tools are looked up with another one after a call without an answer, and with which. */
export function queriesOf(
  listed: readonly string[],
  toolOf: (name: string) => Spec<ToolSpec> | undefined,
): readonly { readonly tool: string; readonly asked: string }[] {
  return listed.flatMap((tool) => {
    const asked = toolOf(tool)?.spec.onAmbiguous?.query?.tool;
    return asked === undefined ? [] : [{ tool, asked }];
  });
}

/** Which named objects do not exist or cannot serve, in words. */
export function missingParts(spec: BundleSpec, { tools, models }: Parts): readonly string[] {
  return [
    ...spec.tools.filter((name) => tools[name] === undefined).map((name) => `Tool ${name} (spec.tools)`),
    ...queriesOf(spec.tools, (name) => tools[name])
      .filter(({ asked }) => tools[asked]?.spec.effect !== 'read')
      .map(({ tool, asked }) => `Tool ${asked} with effect read (spec.onAmbiguous.query.tool of Tool ${tool})`),
    ...modelNames(spec)
      .filter((name) => models[name] === undefined)
      .map((name) => `Model ${name} (${fieldsNaming(spec, name).join(', ')})`),
  ];
}

function fieldsNaming({ models, verifier }: BundleSpec, name: string): readonly string[] {
  const fields = Object.entries({
    'spec.models.start': models.start,
    'spec.models.backup': models.backup,
    'spec.models.planner': models.planner,
    'spec.verifier.model': verifier.model,
  });
  return fields.filter(([, value]) => value === name).map(([field]) => field);
}

/** Undefined while something is missing. */
export function resolve(root: BundleRoot, parts: Parts): ResolvedBundle | undefined {
  const { spec, metadata } = root;
  if (missingParts(spec, parts).length > 0) return undefined;
  const asked = queriesOf(spec.tools, (name) => parts.tools[name]).map((query) => query.asked);
  const tools = Object.fromEntries(
    [...spec.tools, ...asked].map((name) => [name, pin<ToolSpec>(parts.tools[name]?.spec)]),
  );
  const models = Object.fromEntries(modelNames(spec).map((name) => [name, pin<ModelSpec>(parts.models[name]?.spec)]));
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    agent: spec.agent,
    digest: contentDigest({ agent: spec.agent, spec, tools, models }),
    spec,
    tools,
    models,
  };
}

function pin<Spec>(spec: Spec | undefined): { readonly digest: string; readonly spec: Spec } {
  if (spec === undefined) throw new TypeError('a missing part cannot be pinned: ask missingParts first');
  return { digest: digest(spec), spec };
}

/** What the digest is over. */
export const contentOf = ({ agent, spec, tools, models }: Content): Content => ({ agent, spec, tools, models });
type Content = Pick<ResolvedBundle, 'agent' | 'spec' | 'tools' | 'models'>;

export const contentDigest = (bundle: Content): string => digest(contentOf(bundle));
