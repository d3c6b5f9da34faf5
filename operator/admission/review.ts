// Owns: the answer to one admission review: what core/admission finds, word for word.
import { z } from 'zod';
import { kinds } from '../../api/v1alpha1/kinds.ts';
import { type Checked, checkedKinds, checkObject } from '../../core/admission/admission.ts';
import type { Finding } from '../../core/admission/finding.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import { signatureAnnotations, signatureVerdict } from '../../core/bundle/signature.ts';
import { verifyEd25519 } from '../bundle/ed25519.ts';

const reviewSchema = z.object({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: z.object({
    uid: z.string(),
    kind: z.object({ kind: z.string() }),
    namespace: z.string().optional(),
    object: z
      .object({
        metadata: z
          .object({ name: z.string().optional(), annotations: z.record(z.string(), z.string()).optional() })
          .optional(),
        spec: z.unknown(),
      })
      .nullable(),
  }),
});

export interface ReviewAnswer {
  readonly apiVersion: 'admission.k8s.io/v1';
  readonly kind: 'AdmissionReview';
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
    readonly warnings?: readonly string[];
  };
}

/** Annotations of a namespace; undefined for one that there is not. */
export type NamespaceLook = (namespace: string) => Promise<Readonly<Record<string, string>> | undefined>;

/** @throws ZodError for what is no AdmissionReview. */
export async function review(body: unknown, look: NamespaceLook): Promise<ReviewAnswer> {
  const { request } = reviewSchema.parse(body);
  const { object, kind, namespace = '' } = request;
  const findings =
    object === null ? [] : [...check(kind.kind, object), ...(await unsigned(kind.kind, object, () => look(namespace)))];
  const errors = findings.filter(({ severity }) => severity === 'error');
  const warnings = findings.filter(({ severity }) => severity === 'warning').map(({ message }) => message);
  const message = errors.map((finding) => finding.message).join('\n');
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid: request.uid,
      allowed: errors.length === 0,
      ...(errors.length === 0 ? {} : { status: { code: 422, reason: 'Invalid', message } }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  };
}

interface Reviewed {
  readonly metadata?:
    | { readonly name?: string | undefined; readonly annotations?: Readonly<Record<string, string>> | undefined }
    | undefined;
  readonly spec?: unknown;
}
type Said = Pick<Finding, 'severity' | 'message'>;

/** A spec that does not fit its schema is for the API server to refuse: it comes after this, with words of its own. */
function check(kind: string, { metadata, spec }: Reviewed): readonly Said[] {
  if (!(checkedKinds as readonly string[]).includes(kind)) return [];
  const parsed = kinds.find((one) => one.kind === kind)?.spec.safeParse(spec);
  if (parsed === undefined || !parsed.success) return [];
  return checkObject(metadata?.name ?? '', { kind, spec: parsed.data } as Checked);
}

/**
 * A Bundle where the namespace demands a signature. That the Tools and Models here are those that were signed is seen by the
 * operator, before it publishes: they may come later than the Bundle.
 */
async function unsigned(
  kind: string,
  { metadata, spec }: Reviewed,
  look: () => ReturnType<NamespaceLook>,
): Promise<readonly Said[]> {
  if (kind !== 'Bundle') return [];
  const field = `metadata.annotations[${signatureAnnotations.signature}]`;
  const refuse = (found: string, allowed: string): readonly Said[] => [
    { severity: 'error', message: `${field}: found ${found}; allowed: ${allowed}` },
  ];
  let namespace: Awaited<ReturnType<NamespaceLook>>;
  try {
    namespace = await look();
    if (namespace === undefined) return refuse('no such namespace', 'a namespace that is there');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return refuse(`a namespace of which it is not known whether it demands one (${why})`, 'trying again');
  }
  const verdict = signatureVerdict(namespace, metadata?.annotations, spec as BundleSpec, verifyEd25519);
  if (verdict === undefined || verdict.ok) return [];
  return refuse(
    `a Bundle that is not signed well enough: ${verdict.why}`,
    `one signed by a key of annotation ${signatureAnnotations.keys} of the namespace; see signalbox bundle sign`,
  );
}
