// Owns: built Bundles as they are read again, to be signed or verified.
import { apiVersion } from '../../api/schema.ts';
import { bundleSpecSchema, type BundleSpec } from '../../api/v1alpha1/bundle.ts';
import { signatureAnnotations } from '../../core/bundle/signature.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import type { BundleManifest } from './built.ts';
import { parseSources, readText } from './source.ts';

/** `-`: standard input. Every document must be a Bundle whose annotation has its digest. */
export async function readManifests(host: Host, path: string): Promise<readonly BundleManifest[]> {
  const text = path === '-' ? await host.readStdin() : await readText(path);
  const from = path === '-' ? 'standard input' : path;
  const { sources, mistakes } = await parseSources(text, from);
  const [wrong] = mistakes;
  if (wrong !== undefined) {
    const { file, line, column } = wrong.place;
    throw new VerbError('INVALID_INPUT', `${file}:${line}:${column}: ${wrong.message}`);
  }
  const values = sources.flatMap(({ value }) => itemsOf(value));
  if (values.length === 0) throw built(`${from} has no object`);
  return values.map((value) => manifest(value, from));
}

function itemsOf(value: unknown): readonly unknown[] {
  const { kind, items } = (value ?? {}) as { readonly kind?: unknown; readonly items?: unknown };
  return kind === 'List' && Array.isArray(items) ? items : [value];
}

const built = (message: string): VerbError =>
  new VerbError('INVALID_INPUT', message, { attempt: 'signalbox bundle build, and give what it writes' });

function manifest(value: unknown, from: string): BundleManifest {
  const found = (value ?? {}) as Partial<BundleManifest>;
  if (found.apiVersion !== apiVersion || found.kind !== 'Bundle') {
    throw built(`${from}: found an object of kind ${JSON.stringify(found.kind)}; allowed: Bundles of ${apiVersion}`);
  }
  const name = found.metadata?.name ?? '';
  const digest = found.metadata?.annotations?.[signatureAnnotations.digest] ?? '';
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw built(
      `${from}: Bundle "${name}": metadata.annotations ${signatureAnnotations.digest}: found "${digest}"; allowed: the digest of its content`,
    );
  }
  const parsed = bundleSpecSchema.safeParse(found.spec);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw built(`${from}: Bundle "${name}": spec.${issue?.path.join('.')}: ${issue?.message}`);
  }
  // As it stands there: what is signed is every byte of it.
  return { ...(found as BundleManifest), spec: found.spec as BundleSpec };
}

export const digestOf = ({ metadata }: BundleManifest): string =>
  metadata.annotations[signatureAnnotations.digest] ?? '';
