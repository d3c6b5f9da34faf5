// Owns: what a container's process sees as environment, command and arguments. Pure: sources are looked up by argument.
import type { Container, EnvVariable, KeyedValues, KeySelector, Pod } from './pod-spec.ts';

/** ConfigMaps and Secrets of the Pod's namespace, decoded. */
export interface Sources {
  readonly configMap: (name: string) => ReadonlyMap<string, Buffer> | undefined;
  readonly secret: (name: string) => ReadonlyMap<string, Buffer> | undefined;
}

/** A reference that cannot be resolved yet; the message names what is missing. The container waits until it exists. */
export class MissingSource extends Error {}

export function decodeConfigMap(object: KeyedValues): ReadonlyMap<string, Buffer> {
  const text = Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'utf8')] as const);
  const binary = Object.entries(object.binaryData ?? {}).map(
    ([key, value]) => [key, Buffer.from(value, 'base64')] as const,
  );
  return new Map([...text, ...binary]);
}

export function decodeSecret(object: KeyedValues): ReadonlyMap<string, Buffer> {
  return new Map(Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]));
}

/** `$(NAME)` becomes the variable's value, `$$` a dollar sign; an unknown name stays as it is. */
export function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (variables[name] ?? whole),
  );
}

/** Value of a `fieldRef`, or undefined when the path is not one of those that Kubernetes offers. */
export function fieldValue(pod: Pod, podIP: string, fieldPath: string): string | undefined {
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  if (keyed !== null) return metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2] as string] ?? '';
  const lines = (map: Readonly<Record<string, string>> | undefined): string =>
    Object.entries(map ?? {})
      .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
      .join('\n');
  const values: Readonly<Record<string, string>> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
    'metadata.labels': lines(metadata.labels),
    'metadata.annotations': lines(metadata.annotations),
    'spec.nodeName': spec.nodeName ?? '',
    'spec.serviceAccountName': spec.serviceAccountName ?? 'default',
    'status.podIP': podIP,
    'status.podIPs': podIP,
    'status.hostIP': '127.0.0.1',
  };
  return values[fieldPath];
}

/** The container's own variables on top of `base`, in the order Kubernetes gives them. Throws MissingSource. */
export function containerEnvironment(
  pod: Pod,
  container: Container,
  sources: Sources,
  base: Readonly<Record<string, string>>,
): Record<string, string> {
  const variables: Record<string, string> = { ...base };
  for (const from of container.envFrom ?? []) {
    const reference = from.configMapRef ?? from.secretRef;
    if (reference === undefined) continue;
    const kind = from.configMapRef === undefined ? 'secret' : 'configMap';
    const values = sources[kind](reference.name);
    if (values === undefined && reference.optional !== true) throw missing(kind, reference.name);
    for (const [key, value] of values ?? []) variables[`${from.prefix ?? ''}${key}`] = value.toString('utf8');
  }
  for (const variable of container.env ?? []) {
    const value = variableValue(pod, variable, sources, variables);
    if (value !== undefined) variables[variable.name] = value;
  }
  return variables;
}

function variableValue(
  pod: Pod,
  variable: EnvVariable,
  sources: Sources,
  variables: Readonly<Record<string, string>>,
): string | undefined {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', variables);
  if (from.secretKeyRef !== undefined) return keyValue('secret', from.secretKeyRef, sources);
  if (from.configMapKeyRef !== undefined) return keyValue('configMap', from.configMapKeyRef, sources);
  const path = from.fieldRef?.fieldPath ?? '';
  const value = fieldValue(pod, variables['SIGNALBOX_POD_IP'] ?? '', path);
  if (value === undefined) throw new MissingSource(`env ${variable.name}: the local node has no field "${path}"`);
  return value;
}

function keyValue(kind: 'secret' | 'configMap', selector: KeySelector, sources: Sources): string | undefined {
  const values = sources[kind](selector.name);
  const value = values?.get(selector.key);
  if (value !== undefined) return value.toString('utf8');
  if (selector.optional === true) return undefined;
  throw values === undefined ? missing(kind, selector.name) : missing(kind, selector.name, selector.key);
}

export function missing(kind: 'secret' | 'configMap', name: string, key?: string): MissingSource {
  const what = `${kind === 'secret' ? 'Secret' : 'ConfigMap'} "${name}"`;
  return new MissingSource(key === undefined ? `${what} does not exist` : `${what} has no key "${key}"`);
}
