// Owns: which arm of a rollout a new sticky key gets.
//   A1: unit and point of a key follow from salt and key alone, on every machine and for ever: golden vectors.
//   A2: monotone: a key whose point has the canary at one weight has it at every greater one.
//   A3: of any keys that were assigned, in any order of their commits, the canary's are at most the sum of the weights that they
//       were assigned at (I7): a canary is paid for by its own weight and by what stable keys that are facts have left over.
//       What a crash forgets is lost to the canary, never won.
//   A4: the more is left over, the likelier is the canary for the next key, so the share stays about two keys below the weight,
//       however many there are. Who gets it depends on the point, and not on the place in the order: the chance of every place is
//       the weight, within 4 % of it up to a weight of 50 %, within 12 % above. So the arms are alike in everything else.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { Json, JsonObject } from '../../api/messages/history.ts';
import type { Arm, Assignment, RolloutOffer } from '../../api/messages/rollout.ts';
import { canonicalJson } from '../canonical/canonical.ts';
import { evaluateBoolean, evaluateValue } from '../cel/cel.ts';

/** Hundredths of a percent in one key. */
export const wholeBps = 10_000;

export interface Keyed {
  /** 32 hexadecimal digits: names the key without telling it. */
  readonly unit: string;
  /** From 0 to 2^32 - 1, evenly over keys. */
  readonly point: number;
}

/**
 * SHA-256 over the UTF-8 of the canonical JSON of [salt, key]: bytes 0 to 15 are the unit, bytes 16 to 19 the point, as one
 * unsigned number with the most significant byte first; the rest is not used.
 * @throws TypeError for a key that is no JSON
 */
export function keyed(salt: string, key: Json): Keyed {
  const bytes = sha256(utf8ToBytes(canonicalJson([salt, key])));
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(16, 20);
  return { unit: bytesToHex(bytes.subarray(0, 16)), point: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0 };
}

/** The canary has the lowest points: so many of 10,000 as the weight says. Exact, as both products are below 2^53. */
export function armOf({ point }: Pick<Keyed, 'point'>, weightBps: number): Arm {
  return point * wholeBps < weightBps * 2 ** 32 ? 'canary' : 'stable';
}

/** What a run is for a rollout before anybody asks whether its key is known. */
export type Placed = Keyed & {
  /** Its key may not have the canary. */
  readonly excluded: boolean;
};

/** Who cannot be told by include, exclude and assignBy is excluded. */
export function place(offer: RolloutOffer, run: string, input: JsonObject): Placed {
  const { salt, include, exclude } = offer;
  const key = keyOf(offer, run, input);
  const fits =
    key !== undefined &&
    (include === undefined || says(include, input) === true) &&
    (exclude === undefined || says(exclude, input) === false);
  return { ...(key ?? keyed(salt, run)), excluded: !fits };
}

function keyOf({ salt, assignBy }: RolloutOffer, run: string, input: JsonObject): Keyed | undefined {
  if (assignBy === undefined) return keyed(salt, run);
  const key = evaluateValue(assignBy, { input });
  if (key.kind === 'Error' || key.value === null || key.value === '') return undefined;
  try {
    return keyed(salt, key.value as Json);
  } catch {
    return undefined;
  }
}

function says(expression: string, input: JsonObject): boolean | undefined {
  const found = evaluateBoolean(expression, { input });
  return found.ok ? found.value : undefined;
}

/**
 * Decides a new key. `leftBps`: what stable keys that are facts have left over, less what canary keys were given of it; never
 * below 0. The answer's is to be durable before a canary is given out; a stable key adds its weight when it is a fact.
 */
export function draw(
  leftBps: number,
  weightBps: number,
  key: Pick<Keyed, 'point'>,
): { readonly arm: Arm; readonly leftBps: number } {
  const credit = leftBps + weightBps;
  if (weightBps === 0 || credit < wholeBps) return { arm: 'stable', leftBps };
  // With one key's worth left over beside its own the chance is the weight.
  const chanceBps = weightBps === wholeBps ? wholeBps : (weightBps * (credit - wholeBps)) / wholeBps;
  return armOf(key, chanceBps) === 'canary'
    ? { arm: 'canary', leftBps: credit - wholeBps }
    : { arm: 'stable', leftBps };
}

/** A branch has what its parent has; the key is its parent's. */
export function inherited(assignments: Readonly<Record<string, Assignment>> | undefined): {
  readonly assignments?: Readonly<Record<string, Assignment>>;
} {
  if (assignments === undefined) return {};
  const of = Object.entries(assignments).map(([agent, { first: _first, ...rest }]) => [agent, rest] as const);
  return { assignments: Object.fromEntries(of) };
}

/** What a run is given of an agent now. Stale: the rollout is another one than the assignment was made for. */
export type Pin = { readonly digest: string; readonly assignment?: Assignment };

export function pinOf(agent: AgentSnapshot, assignment: Assignment | undefined): Pin | 'Stale' {
  const { rollout, bundleDigest } = agent;
  // At weight 0 nobody gets the canary, whoever had it, and nothing is evidence.
  if (rollout === undefined || rollout.weightBps === 0) return { digest: bundleDigest };
  if (assignment?.rollout !== rollout.uid) return 'Stale';
  return { digest: assignment.arm === 'canary' ? rollout.canary.digest : bundleDigest, assignment };
}
