// Owns: what a bundle is made of, and its identity. Pure.
//   I1: the digest is over agent, spec, tool contracts and models; not over names, namespaces or dates.
//   I2: a tool that a listed one is looked up with belongs to the content, but not to `spec.tools`: no model is offered it,
//       no call of it is permitted; only the gateway asks it.
//   I3: what workers mount holds no reference to a credential; the references are kept beside it, so nothing is lost.
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { canonicalJson, digest } from '../../core/canonical/canonical.ts';
import type { BundleObject, ModelObject, ToolObject } from '../catalog/objects.ts';

export interface Parts {
  /** The listed tools and those they are looked up with. */
  readonly tools: Readonly<Record<string, ToolObject | undefined>>;
  readonly models: Readonly<Record<string, ModelObject | undefined>>;
}

export const modelNames = ({ models, verifier }: BundleSpec): readonly string[] => [
  ...new Set([models.start, models.backup, models.planner, verifier.model].filter((name) => name !== undefined)),
];

/** Which of the listed tools are looked up with another one after a call without an answer, and with which. */
export function queriesOf(
  listed: readonly string[],
  toolOf: (name: string) => ToolObject | undefined,
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
export function resolve(root: BundleObject, parts: Parts): ResolvedBundle | undefined {
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

export const contentDigest = ({
  agent,
  spec,
  tools,
  models,
}: Pick<ResolvedBundle, 'agent' | 'spec' | 'tools' | 'models'>): string => digest({ agent, spec, tools, models });

/** Keys of the ConfigMap `bundle-<name>`; workers mount only the first. */
export const bundleFile = 'bundle.json';
export const credentialsFile = 'credentials.json';

interface Withheld {
  readonly tools: Readonly<Record<string, ToolSpec['credential']>>;
  readonly models: Readonly<Record<string, NonNullable<ModelSpec['endpoint']>['secretRef']>>;
}

/** Content of the ConfigMap: what workers may read, and the references that were taken out. */
export function sealed(bundle: ResolvedBundle): Readonly<Record<string, string>> {
  const withheld: Withheld = {
    tools: present(mapValues(bundle.tools, ({ spec }) => spec.credential)),
    models: present(mapValues(bundle.models, ({ spec }) => spec.endpoint?.secretRef)),
  };
  const tools = mapValues(bundle.tools, ({ spec, ...rest }) => ({ ...rest, spec: without(spec, 'credential') }));
  const models = mapValues(bundle.models, ({ spec, ...rest }) => ({ ...rest, spec: withoutSecret(spec) }));
  return {
    [bundleFile]: canonicalJson({ ...bundle, tools, models }),
    [credentialsFile]: canonicalJson(withheld),
  };
}

/** The reverse of `sealed`; undefined when the content is not what its digest says. */
export function unsealed(data: Readonly<Record<string, string>> | undefined): ResolvedBundle | undefined {
  try {
    const bundle = JSON.parse(data?.[bundleFile] ?? '') as ResolvedBundle;
    const withheld = JSON.parse(data?.[credentialsFile] ?? '') as Withheld;
    const tools = mapValues(bundle.tools, ({ spec, ...rest }, name) => ({
      ...rest,
      spec: { ...spec, ...defined('credential', withheld.tools[name]) },
    }));
    const models = mapValues(bundle.models, ({ spec, ...rest }, name) => ({
      ...rest,
      spec: {
        ...spec,
        ...(spec.endpoint === undefined
          ? {}
          : { endpoint: { ...spec.endpoint, ...defined('secretRef', withheld.models[name]) } }),
      },
    }));
    const whole = { ...bundle, tools, models };
    return contentDigest(whole) === bundle.digest ? whole : undefined;
  } catch {
    return undefined;
  }
}

function withoutSecret(spec: ModelSpec): ModelSpec {
  if (spec.endpoint === undefined) return spec;
  return { ...spec, endpoint: without(spec.endpoint, 'secretRef') };
}

const mapValues = <V, W>(record: Readonly<Record<string, V>>, map: (value: V, name: string) => W): Record<string, W> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));

function without<T extends object, K extends keyof T>(value: T, key: K): Omit<T, K> {
  const copy = { ...value };
  delete copy[key];
  return copy;
}

const present = <V>(record: Readonly<Record<string, V>>): Record<string, V> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));

const defined = <K extends string, V>(key: K, value: V | undefined): { readonly [k in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { readonly [k in K]: V });
