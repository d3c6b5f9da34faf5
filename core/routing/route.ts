// Owns: which Model is asked next. The start model first, the backup after the start failed in a way that may pass; a
// refusal is an answer and is not taken to another vendor.
import type { Role } from '../../api/messages/history.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';

export interface FailedTry {
  readonly model: string;
  readonly code: 'MODEL_UNAVAILABLE' | 'MODEL_FAILED';
  readonly message: string;
  /** What the endpoint asked for. */
  readonly retryAfterMs?: number;
}

export type RouteStep =
  | {
      readonly kind: 'Ask';
      readonly model: string;
      readonly backup: boolean;
      readonly afterMs: number;
      readonly note?: string;
    }
  | {
      readonly kind: 'GiveUp';
      readonly code: 'MODEL_UNAVAILABLE' | 'MODEL_FAILED';
      readonly message: string;
      readonly retryable: boolean;
    };

/** Tries of one model before the next. */
export const triesPerModel = 3;
const backoffMs = 200;
const backoffMaxMs = 5_000;

/** The next try of one logical model call, from the failed tries so far. */
export function nextTry(bundle: BundleSpec, role: Role, failed: readonly FailedTry[]): RouteStep {
  const { first, backup } = candidates(bundle, role);
  const last = failed.at(-1);
  if (last === undefined) return { kind: 'Ask', model: first, backup: false, afterMs: 0 };
  if (last.code === 'MODEL_FAILED') {
    return { kind: 'GiveUp', code: last.code, message: last.message, retryable: false };
  }
  const ofLast = failed.filter((candidate) => candidate.model === last.model).length;
  const onBackup = last.model !== first;
  const note = `model "${first}" failed ${failed.length - (onBackup ? ofLast : 0)} times: ${failed[0]?.message ?? ''}`;
  if (ofLast < triesPerModel) {
    const afterMs = Math.min(last.retryAfterMs ?? backoffMs * 2 ** (ofLast - 1), backoffMaxMs);
    return { kind: 'Ask', model: last.model, backup: onBackup, afterMs, ...(onBackup ? { note } : {}) };
  }
  if (!onBackup && backup !== undefined) return { kind: 'Ask', model: backup, backup: true, afterMs: 0, note };
  const tried = [...new Set(failed.map((candidate) => candidate.model))].join('", "');
  return {
    kind: 'GiveUp',
    code: 'MODEL_UNAVAILABLE',
    message: `no model answered after ${failed.length} tries (tried "${tried}"): ${last.message}`,
    retryable: true,
  };
}

function candidates(bundle: BundleSpec, role: Role): { readonly first: string; readonly backup?: string } {
  const { start, planner, backup } = bundle.models;
  const first =
    role === 'verifier' ? (bundle.verifier.model ?? start) : role === 'planner' ? (planner ?? start) : start;
  return backup === undefined || backup === first ? { first } : { first, backup };
}
