// Owns: when a rule's signal fires. One check per signal; each answers with its evidence, in words, or with nothing.
import type { Json } from '../../api/messages/history.ts';
import type { EscalationRule, Signal } from '../../api/v1alpha1/escalation-policy.ts';
import { percentSpent } from '../budget/budget.ts';
import { canonicalJson } from '../canonical/canonical.ts';
import { durationMs } from '../routing/duration.ts';
import type { Observation } from './observation.ts';

type Check = (rule: EscalationRule, seen: Observation) => readonly string[];

const evidenceMax = 8;
const excerptMax = 160;

const textIsFound: Check = (rule, seen) => {
  const found: string[] = [];
  for (const { source, text } of seen.texts) {
    const plain = plainText(text);
    for (const pattern of rule.patterns ?? []) {
      const at = plain.indexOf(plainText(pattern));
      if (at >= 0) found.push(`${source} says "${excerpt(plain, at)}" (pattern "${pattern}")`);
    }
  }
  return found.length >= (rule.atLeast ?? 1) ? found.slice(0, evidenceMax) : [];
};

const confidenceIsLow: Check = (rule, { confidence }) => {
  if (confidence === undefined) return [];
  const threshold = Math.max(Number(rule.below ?? '0'), confidence.floor ?? 0);
  if (confidence.value === undefined) {
    return confidence.promised ? ['confidence is missing although the bundle promises one'] : [];
  }
  return confidence.value < threshold ? [`confidence is ${confidence.value}, below ${threshold}`] : [];
};

const outputsConflict: Check = (rule, seen) =>
  (rule.fields ?? []).flatMap((field) => {
    const values = new Map<string, string[]>();
    for (const { source, value } of seen.outputs) {
      const found = member(value, field);
      if (found === undefined) continue;
      const text = canonicalJson(found);
      const sources = values.get(text) ?? [];
      if (!sources.includes(source)) values.set(text, [...sources, source]);
    }
    if (values.size < 2) return [];
    const sides = [...values].map(([text, sources]) => `${text.slice(0, excerptMax)} (${sources.join(', ')})`);
    return [`${field} is ${sides.slice(0, 4).join(' and ')}`];
  });

const reached = (count: number, rule: EscalationRule, words: (count: number) => string): readonly string[] =>
  count >= (rule.atLeast ?? 1) ? [words(count)] : [];

const loopAtLeastDefault = 3;

const checks: Readonly<Record<Signal, Check>> = {
  redFlag: textIsFound,
  userFrustration: textIsFound,
  lowConfidence: confidenceIsLow,
  conflictingOutputs: outputsConflict,
  repeatedRetries: (rule, seen) =>
    reached(seen.failedAttempts, rule, (count) => `${count} failed ${count === 1 ? 'attempt' : 'attempts'}`),
  abnormalLatency: (rule, { elapsedMs }) =>
    elapsedMs !== undefined && elapsedMs >= durationMs(rule.above, Number.POSITIVE_INFINITY)
      ? [`the activity has been at work for ${Math.round(elapsedMs / 100) / 10} s, above ${rule.above}`]
      : [],
  budget: (rule, { budget }) =>
    budget !== undefined && percentSpent(budget) >= (rule.percent ?? 100)
      ? [
          `${percentSpent(budget)} % of the run's budget is spent (${budget.spentMicros} of ${budget.limitMicros} micros)`,
        ]
      : [],
  ambiguousEffect: (_rule, { ambiguous }) =>
    ambiguous.map((tool) => `nobody knows whether the call of ${tool} took effect`),
  verifierReject: (rule, seen) =>
    reached(seen.rejections, rule, (count) => `the verifier rejected ${count} ${count === 1 ? 'result' : 'results'}`),
  permissionDenied: (rule, { denied }) =>
    denied.length >= (rule.atLeast ?? 1) ? [`denied: ${[...new Set(denied)].join(', ')} (${denied.length} times)`] : [],
  loop: (rule, { repeat }) =>
    repeat !== undefined && repeat.times >= (rule.atLeast ?? loopAtLeastDefault)
      ? [`${repeat.tool} was called ${repeat.times} times with the same arguments`]
      : [],
};

/** Why the rule fires, empty when it does not. */
export function evidenceFor(rule: EscalationRule, seen: Observation): readonly string[] {
  return checks[rule.signal](rule, seen);
}

/** Lower case, straight quotes, any white space as one blank. */
export function plainText(text: string): string {
  return text
    .toLowerCase()
    .replace(/[\u2018\u2019\u02bc]/g, "'")
    .replace(/[\u201c\u201d]/g, '"')
    .replace(/\s+/g, ' ');
}

function excerpt(text: string, at: number): string {
  const from = Math.max(0, at - 40);
  const cut = text.slice(from, from + excerptMax).trim();
  return `${from > 0 ? '…' : ''}${cut}${from + excerptMax < text.length ? '…' : ''}`;
}

/** The member at a dotted path. */
function member(value: Json, path: string): Json | undefined {
  let at: Json | undefined = value;
  for (const key of path.split('.')) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, key)) return undefined;
    at = (at as { readonly [key: string]: Json })[key];
  }
  return at;
}
