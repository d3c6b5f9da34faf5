// Owns: bundles built of files: what the operator would publish if the cluster had the Tools and Models of these files.
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import { apiVersion } from '../../api/schema.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import { type Checked, checkObject } from '../../core/admission/admission.ts';
import type { Finding } from '../../core/admission/finding.ts';
import { checkReferences, type Lookups } from '../../core/admission/references.ts';
import { modelNames, queriesOf, resolve } from '../../core/bundle/resolve.ts';
import { signatureAnnotations } from '../../core/bundle/signature.ts';
import { VerbError } from '../failure.ts';
import type { Declaration, Declared, DeclaredKind } from './declared.ts';
import { type Mistake, type Place, stepsOf } from './source.ts';

export interface Built {
  readonly declaration: Declaration<BundleSpec>;
  readonly resolved: ResolvedBundle;
}

/** The manifest to apply. Its annotation says which content it was built of: the operator refuses any other. */
export interface BundleManifest {
  readonly apiVersion: string;
  readonly kind: 'Bundle';
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: BundleSpec;
}

/** A finding with the object and the place it is about. */
export interface Said extends Finding {
  readonly kind: string;
  readonly name: string;
  readonly place: Place;
}

export const lookups = (declared: Declared): Lookups => ({
  agent: (name) => declared.Agent.get(name)?.spec,
  bundle: (name) => declared.Bundle.get(name)?.spec,
  tool: (name) => declared.Tool.get(name)?.spec,
  model: (name) => declared.Model.get(name)?.spec,
  policy: (name) => declared.EscalationPolicy.get(name)?.spec,
  workflow: (name) => declared.Workflow.get(name)?.spec,
});

/** The chosen bundles; all where none is named. */
export function chosen(declared: Declared, names: readonly string[]): readonly Declaration<BundleSpec>[] {
  const wanted = names.length === 0 ? [...declared.Bundle.keys()] : names;
  if (wanted.length === 0) {
    throw new VerbError('NOT_FOUND', 'the files declare no Bundle', {
      attempt: 'name a file or folder with a manifest of kind Bundle',
    });
  }
  return wanted.map((name) => {
    const found = declared.Bundle.get(name);
    if (found !== undefined) return found;
    const there = [...declared.Bundle.keys()].join(', ');
    throw new VerbError(
      'NOT_FOUND',
      `the files declare no Bundle "${name}"; they have ${there === '' ? 'none' : there}`,
    );
  });
}

/** What admission would say of one object. */
export function admissionSays(declared: Declared, kind: DeclaredKind, name: string): readonly Said[] {
  const declaration = declared[kind].get(name) as Declaration<never> | undefined;
  if (declaration === undefined) return [];
  const object = { kind, spec: declaration.spec } as Checked;
  const own = checkObject(name, object);
  const broken = own.some(({ severity }) => severity === 'error');
  const findings = [...own, ...(broken ? [] : checkReferences(name, object, lookups(declared)))];
  return findings.map((found) => said(declaration, found));
}

export function said({ kind, metadata, source }: Declaration<unknown>, found: Finding): Said {
  return { ...found, kind, name: metadata.name, place: source.placeOf(stepsOf(found.field), found.at) };
}

export const mistakeOf = ({ place, message }: Said): Mistake => ({ place, message });

/** The bundle with its content, or what keeps it from being one: mistakes of its own, or of what it is made of. */
export function build(declaration: Declaration<BundleSpec>, declared: Declared): Built | readonly Mistake[] {
  const { metadata, spec } = declaration;
  const tools = [...spec.tools, ...queriesOf(spec.tools, (name) => declared.Tool.get(name)).map(({ asked }) => asked)];
  const wrong = [
    ...admissionSays(declared, 'Bundle', metadata.name),
    ...tools.flatMap((name) => admissionSays(declared, 'Tool', name)),
    ...modelNames(spec).flatMap((name) => admissionSays(declared, 'Model', name)),
  ].filter(({ severity }) => severity === 'error');
  if (wrong.length > 0) return wrong.map(mistakeOf);
  const resolved = resolve(declaration, {
    tools: Object.fromEntries(declared.Tool),
    models: Object.fromEntries(declared.Model),
  });
  if (resolved !== undefined) return { declaration, resolved };
  return [{ place: declaration.source.placeOf(['spec']), message: 'spec: something that is named here is missing' }];
}

/** `byDigest`: eight digits of the digest end the name, so that other content always has another name. */
export function manifestOf({ declaration, resolved }: Built, byDigest: boolean): BundleManifest {
  const { name, namespace, labels, annotations } = declaration.metadata;
  return {
    apiVersion,
    kind: 'Bundle',
    metadata: {
      name: byDigest ? `${name.slice(0, 54)}-${resolved.digest.slice(7, 15)}` : name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      annotations: { ...annotations, [signatureAnnotations.digest]: resolved.digest },
    },
    spec: declaration.spec,
  };
}
