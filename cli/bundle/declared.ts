// Owns: what a set of files declares, each object with its place. Only objects that fit their schema are here.
import { apiVersion } from '../../api/schema.ts';
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import { kinds } from '../../api/v1alpha1/kinds.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { type ConfigMaps, expand } from './expand.ts';
import { type Manifest, manifestOf, mistakesIn } from './object.ts';
import { filesOf, type Mistake, parseSources, readText, type Source } from './source.ts';

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Declaration<Spec> {
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: Spec;
  readonly source: Source;
}

type Named<Spec> = ReadonlyMap<string, Declaration<Spec>>;

export interface Declared {
  readonly Agent: Named<AgentSpec>;
  readonly Bundle: Named<BundleSpec>;
  readonly EscalationPolicy: Named<EscalationPolicySpec>;
  readonly Model: Named<ModelSpec>;
  readonly Tool: Named<ToolSpec>;
  readonly Workflow: Named<WorkflowSpec>;
}
export type DeclaredKind = keyof Declared;
const declaredKinds = ['Agent', 'Bundle', 'EscalationPolicy', 'Model', 'Tool', 'Workflow'] as const;

export interface Reading {
  readonly declared: Declared;
  readonly mistakes: readonly Mistake[];
}

/** Reads files and folders; each path once. */
export async function readDeclared(paths: readonly string[]): Promise<Reading> {
  const mistakes: Mistake[] = [];
  const sources: Source[] = [];
  const files = (await Promise.all(paths.map(filesOf))).flat();
  for (const file of new Set(files)) {
    const found = await parseSources(await readText(file), file);
    // A file beside the manifests, such as one that a part is read from, is no business of ours.
    const ours = found.sources.filter((source) => isOurs(manifestOf(source)));
    if (paths.includes(file) || ours.length > 0) mistakes.push(...found.mistakes);
    sources.push(...found.sources);
  }
  const maps = configMapsOf(sources);
  const declared = Object.fromEntries(declaredKinds.map((kind) => [kind, new Map<string, Declaration<unknown>>()]));
  for (const source of sources) {
    const { kind } = manifestOf(source);
    const named = isOurs(manifestOf(source)) ? declared[String(kind)] : undefined;
    if (named === undefined) continue;
    const expanded = kind === 'Bundle' ? await expand(source, maps) : { source, mistakes: [] };
    const found = declaration(expanded.source);
    mistakes.push(...expanded.mistakes, ...(expanded.mistakes.length > 0 ? [] : found.mistakes));
    if (found.declaration === undefined) continue;
    const before = named.get(found.declaration.metadata.name);
    if (before === undefined) named.set(found.declaration.metadata.name, found.declaration);
    else mistakes.push(twice(found.declaration, before));
  }
  return { declared: declared as unknown as Declared, mistakes };
}

const isOurs = ({ apiVersion: version, kind }: Manifest): boolean =>
  version === apiVersion && declaredKinds.some((one) => one === kind);

function twice({ kind, metadata, source }: Declaration<unknown>, before: Declaration<unknown>): Mistake {
  const { file, line } = before.source.placeOf([]);
  const message = `found ${kind} "${metadata.name}" a second time (first at ${file}:${line}); allowed: each object once`;
  return { place: source.placeOf(['metadata', 'name']), message };
}

function configMapsOf(sources: readonly Source[]): ConfigMaps {
  return (name, key) => {
    const source = sources.find((one) => {
      const { kind, metadata } = manifestOf(one);
      return kind === 'ConfigMap' && metadata?.name === name;
    });
    const text = source === undefined ? undefined : manifestOf(source).data?.[key];
    if (source === undefined || typeof text !== 'string') return undefined;
    return { text, placeOf: (_path, within) => source.placeOf(['data', key], within) };
  };
}

function declaration(source: Source): {
  readonly declaration?: Declaration<unknown>;
  readonly mistakes: readonly Mistake[];
} {
  const { kind, metadata, spec } = manifestOf(source);
  const schema = kinds.find((one) => one.kind === kind)?.spec;
  const mistakes = schema === undefined ? [] : mistakesIn(source, schema);
  if (schema === undefined || mistakes.length > 0) return { mistakes };
  return {
    declaration: { kind: String(kind), metadata: metadata as Metadata, spec: spec as object, source },
    mistakes,
  };
}
