// Owns: what comes to a run from outside while it is under way, and what it is found by.
import type { JsonObject } from './history.ts';

export const attributeTypes = ['string', 'number', 'bool', 'time'] as const;
export type AttributeType = (typeof attributeTypes)[number];
/** By name. A time is RFC 3339 in UTC to the second, so that text order is time order. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** A signal that no state has taken yet. */
export interface KeptSignal {
  readonly signal: string;
  readonly id: string;
  readonly payload: JsonObject;
}

export type IncomingEvent =
  | {
      readonly type: 'SignalReceived';
      readonly signal: string;
      /** As the sender gave it: the same again is the same signal. */
      readonly id: string;
      readonly payload: JsonObject;
      readonly by: string;
    }
  /** A wait took it; its payload is `result`. */
  | { readonly type: 'SignalTaken'; readonly signal: string; readonly id: string }
  /** All attributes, whenever one changes. */
  | { readonly type: 'AttributesSet'; readonly attributes: Attributes };

/** CONTROL and HTTP: a signal to one run. */
export interface SignalRequest {
  readonly namespace: string;
  readonly run: string;
  readonly signal: string;
  readonly id: string;
  readonly payload: JsonObject;
  readonly by: string;
}
/** taken: a state waited for it. kept: until a state waits for it. known: it came before. */
export interface SignalResult {
  readonly outcome: 'taken' | 'kept' | 'known';
}
