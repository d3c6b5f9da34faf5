// Owns: the answer to one admission review: what core/admission finds, word for word.
import { z } from 'zod';
import { kinds } from '../../api/v1alpha1/kinds.ts';
import { type Checked, checkedKinds, checkObject } from '../../core/admission/admission.ts';
import type { Finding } from '../../core/admission/finding.ts';

const reviewSchema = z.object({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: z.object({
    uid: z.string(),
    kind: z.object({ kind: z.string() }),
    object: z.object({ metadata: z.object({ name: z.string().optional() }).optional(), spec: z.unknown() }).nullable(),
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

/** @throws ZodError for what is no AdmissionReview. */
export function review(body: unknown): ReviewAnswer {
  const { request } = reviewSchema.parse(body);
  const findings = request.object === null ? [] : check(request.kind.kind, request.object);
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
  readonly metadata?: { readonly name?: string | undefined } | undefined;
  readonly spec?: unknown;
}

/** A spec that does not fit its schema is for the API server to refuse: it comes after this, with words of its own. */
function check(kind: string, { metadata, spec }: Reviewed): readonly Pick<Finding, 'severity' | 'message'>[] {
  if (!(checkedKinds as readonly string[]).includes(kind)) return [];
  const parsed = kinds.find((one) => one.kind === kind)?.spec.safeParse(spec);
  if (parsed === undefined || !parsed.success) return [];
  return checkObject(metadata?.name ?? '', { kind, spec: parsed.data } as Checked);
}
