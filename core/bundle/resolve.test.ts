import { expect, test } from 'vitest';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { resolve } from './resolve.ts';

const spec: BundleSpec = {
  agent: 'receptionist',
  prompts: { executor: { text: 'Grüße André. 😀\n' } },
  models: { start: 'small' },
  tools: ['find-patient', 'book'],
  verifier: { rules: [{ name: 'is-there', cel: 'true' }] },
  policy: { confidenceFloor: '0.60', maxTurns: 12, costLimitMicros: 50_000 },
};
const find: ToolSpec = {
  description: 'Finds a patient.',
  http: { url: 'http://clinic-tools/find' },
  input: { type: 'object', properties: { phone: { type: 'string', maxLength: 20 } } },
  effect: 'read',
};
const book: ToolSpec = {
  description: 'Books.',
  http: { url: 'http://clinic-tools/book' },
  input: { type: 'object' },
  effect: 'write',
  onAmbiguous: { query: { tool: 'find-booking', by: 'arguments' } },
};
const asked: ToolSpec = {
  description: 'Finds a booking.',
  http: { url: 'http://clinic-tools/booking' },
  input: { type: 'object' },
  effect: 'read',
};
const small: ModelSpec = {
  scripted: { replies: [{ text: 'Hello.', confidence: '0.9' }] },
  prices: { currency: 'EUR', inputPerMillion: 150_000, outputPerMillion: 600_000 },
};
const tools = { 'find-patient': { spec: find }, book: { spec: book }, 'find-booking': { spec: asked } };

/** Recorded by another program. Were it to change, an upgrade of the operator would start a rollout of every agent. */
const recorded = 'sha256:b94eb01dde5ed2a9afc58313bc306dcbb84b6828702e630f886c6bbbf1a60b5b';

/** The same content as somebody else would write it: every object with its members in the other order. */
function reversed<T>(value: T): T {
  if (Array.isArray(value)) return value.map(reversed) as T;
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, reversed<unknown>(member)]);
  return Object.fromEntries(members.toReversed()) as T;
}

test('golden: the digest of a whole bundle never changes', () => {
  const root = { metadata: { name: 'receptionist-1', namespace: 'demo' }, spec };
  expect(resolve(root, { tools, models: { small: { spec: small } } })?.digest).toBe(recorded);
  const other = { metadata: { name: 'another' }, spec: reversed(spec) };
  const parts = reversed({ tools: { ...tools, more: { spec: find } }, models: { small: { spec: small } } });
  expect(resolve(other, parts)?.digest).toBe(recorded);
});

test('order of tools and every value is content', () => {
  const digestOf = (differing: Partial<BundleSpec>) =>
    resolve({ metadata: { name: 'x' }, spec: { ...spec, ...differing } }, { tools, models: { small: { spec: small } } })
      ?.digest;
  const others = [
    digestOf({ tools: ['book', 'find-patient'] }),
    digestOf({ prompts: { executor: { text: 'Grüße Andre\u0301. 😀\n' } } }),
    digestOf({ policy: { ...spec.policy, confidenceFloor: '0.6' } }),
    digestOf({ verifier: { rules: [{ name: 'is-there', cel: 'true ' }] } }),
  ];
  expect(new Set([...others, recorded]).size).toBe(5);
});
