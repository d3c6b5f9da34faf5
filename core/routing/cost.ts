// Owns: what a model call costs. Micro-units of the price's currency, rounded up: a call is never booked as cheaper than it was.
import type { ModelSpec } from '../../api/v1alpha1/model.ts';

export interface Usage {
  readonly inputTokens: number;
  /** Part of `inputTokens`. */
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
}

/** Cost in micro-units. A scripted model without prices costs 0; an endpoint without prices is refused at admission. */
export function costMicros(prices: ModelSpec['prices'], usage: Usage): number {
  if (prices === undefined) return 0;
  const cached = Math.min(usage.cachedInputTokens, usage.inputTokens);
  const cachedPrice = prices.cachedInputPerMillion ?? prices.inputPerMillion;
  const total =
    (usage.inputTokens - cached) * prices.inputPerMillion +
    cached * cachedPrice +
    usage.outputTokens * prices.outputPerMillion;
  return Math.ceil(total / 1_000_000);
}
