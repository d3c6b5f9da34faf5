// Owns: what to do next for one effect, from its ledger entry. The order open → call → done is the only one; between open and
// done nobody knows, and only a tool that recognises repeats, or that can be asked, resolves it. Otherwise a person must.
//   E1: a call is made only after an open entry was written by compare-and-set; each repeat writes a new one first.
//   E2: an open entry of another caller is left alone until its deadline, when that caller can no longer be sending.
//   E3: an effect that the journal knows is not made once more because its ledger entry is gone.
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';

/** The members of a ledger entry that decide (`LedgerEntry` of the journal port). */
export type EffectEntry =
  | { readonly state: 'open'; readonly deadline: number }
  | { readonly state: 'done'; readonly result: unknown }
  | { readonly state: 'refused'; readonly error: string }
  | { readonly state: 'ambiguous'; readonly reason: string };

export type EffectStep =
  | { readonly kind: 'Open' }
  | { readonly kind: 'Return'; readonly result: unknown }
  | { readonly kind: 'Wait'; readonly untilMs: number }
  | { readonly kind: 'Recover' }
  /** The ledger has lost what it had: nobody can say what the call answered, and it must not be made again. */
  | { readonly kind: 'Lost'; readonly reason: string }
  | { readonly kind: 'Ambiguous'; readonly reason: string };

const lostReason =
  'the journal has this effect and the ledger has not: the ledger has lost entries; the call is not made once more';

/** Clocks of two gateways may differ by this much. */
const skewMs = 500;

/**
 * What the ledger entry says. `mine`: this caller opened the entry and has its call's answer, which was none. `acted`: the
 * journal has the effect of this call.
 */
export function planEffect(
  entry: EffectEntry | undefined,
  now: number,
  { mine, acted }: { readonly mine: boolean; readonly acted: boolean },
): EffectStep {
  switch (entry?.state) {
    case undefined:
    case 'refused':
      return acted ? { kind: 'Lost', reason: lostReason } : { kind: 'Open' };
    case 'done':
      return { kind: 'Return', result: entry.result };
    case 'ambiguous':
      return { kind: 'Ambiguous', reason: entry.reason };
    case 'open':
      if (mine || now >= entry.deadline + skewMs) return { kind: 'Recover' };
      return { kind: 'Wait', untilMs: entry.deadline + skewMs };
  }
}

export type Recovery =
  | { readonly kind: 'Repeat'; readonly afterMs: number }
  | { readonly kind: 'Ask'; readonly tool: string; readonly by: 'idempotencyKey' | 'arguments' }
  | { readonly kind: 'GiveUp'; readonly reason: string };

/** Calls of one effect by one caller, the first included. */
export const effectTriesMax = 4;

/** How to find out about a call that may or may not have acted. `tries`: calls this caller has made so far. */
export function planRecovery(spec: ToolSpec, tries: number, lastError: string): Recovery {
  const reason = `${lastError}; the tool may or may not have acted`;
  if (tries >= effectTriesMax) return { kind: 'GiveUp', reason: `${reason} (${tries} calls)` };
  if (spec.effect === 'idempotentWrite' || spec.effect === 'read') {
    return { kind: 'Repeat', afterMs: tries === 0 ? 0 : 200 * 2 ** (tries - 1) };
  }
  const query = spec.onAmbiguous?.query;
  return query === undefined ? { kind: 'GiveUp', reason } : { kind: 'Ask', tool: query.tool, by: query.by };
}

/** Before each question to the query tool: the first call may still be at work there, so one "no" is not believed. */
export const queryDelaysMs: readonly number[] = [250, 1_000];

export type Finding = 'found' | 'notFound' | 'unknown';

/** What a query tool's answer says. Only a plain absence (404, or an empty answer) counts as "it did not act". */
export function readFinding(
  reply: { readonly kind: 'Done'; readonly result: unknown } | { readonly kind: 'No'; readonly status?: number },
): Finding {
  if (reply.kind === 'No') return reply.status === 404 || reply.status === 410 ? 'notFound' : 'unknown';
  return isEmpty(reply.result) ? 'notFound' : 'found';
}

function isEmpty(result: unknown): boolean {
  if (result === null || result === undefined || result === '' || result === false) return true;
  if (Array.isArray(result)) return result.length === 0;
  if (typeof result !== 'object') return false;
  const members = Object.entries(result);
  if ((result as { found?: unknown }).found === false) return true;
  return members.length === 0 || (members.length === 1 && isEmpty(members[0]?.[1]));
}
