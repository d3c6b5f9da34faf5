// Owns: a bundle as the ConfigMap keeps it.
//   I1: what workers mount holds no reference to a credential; the references are kept beside it, so nothing is lost.
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { contentDigest } from '../../core/bundle/resolve.ts';
import { canonicalJson } from '../../core/canonical/canonical.ts';

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
