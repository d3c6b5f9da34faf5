import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import { type Permission, permissionModes } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import { rolloutSpecSchema } from '../../api/v1alpha1/rollout.ts';
import { effects, type ToolSpec } from '../../api/v1alpha1/tool.ts';
import { decide } from '../permission/decide.ts';
import { riskOf } from './risk.ts';

const tool = (differing: Partial<ToolSpec> = {}): ToolSpec => ({
  description: 'Books.',
  http: { url: 'http://clinic/book' },
  input: { type: 'object' },
  effect: 'write',
  ...differing,
});
const endpoint = (model: string, differing: Partial<ModelSpec> = {}): ModelSpec => ({
  endpoint: { baseURL: 'https://models.example.com/v1', model },
  prices: { currency: 'USD', inputPerMillion: 1, outputPerMillion: 1 },
  ...differing,
});
const pin = <Spec>(spec: Spec) => ({ digest: 'sha256:00', spec });
const all = <Spec>(specs: Readonly<Record<string, Spec>>) =>
  Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, pin(spec)]));

interface Differing {
  readonly spec?: Partial<BundleSpec>;
  readonly tools?: Readonly<Record<string, ToolSpec>>;
  readonly models?: Readonly<Record<string, ModelSpec>>;
}
const rules = [
  { name: 'booked', cel: 'result.booked' },
  { name: 'known', cel: 'has(result.patientId)' },
];
function bundle({ spec, tools = { book: tool(), find: tool({ effect: 'read' }) }, models }: Differing = {}) {
  return {
    namespace: 'demo',
    name: 'desk-1',
    agent: 'desk',
    digest: 'sha256:00',
    spec: {
      agent: 'desk',
      prompts: { executor: { text: 'Book.' }, verifier: { text: 'Judge.' } },
      models: { start: 'small', backup: 'other' },
      tools: Object.keys(tools),
      verifier: { rules, model: 'judge' },
      policy: { confidenceFloor: '0.6', confidenceFrom: 'logprobs', costLimitMicros: 1_000 },
      ...spec,
    },
    tools: all(tools),
    models: all({ small: endpoint('small'), other: endpoint('other'), judge: endpoint('judge'), ...models }),
  } satisfies ResolvedBundle;
}
const ceiling: readonly Permission[] = [
  { tool: 'book', mode: 'write' },
  { tool: 'find', mode: 'read' },
];
const risk = (after: Differing, before: Differing = {}) =>
  riskOf(bundle(before), bundle(after), { before: ceiling, after: ceiling });
const own = bundle().spec;

describe('what makes a new bundle high-risk', () => {
  const more = { book: tool(), find: tool({ effect: 'read' }), cancel: tool() };
  test('a new tool with an effect, as far as the ceiling lets it act', () => {
    const of = (mode: Permission['mode']) => {
      const after = [...ceiling, { tool: 'cancel', mode }];
      return riskOf(bundle(), bundle({ tools: more }), { before: ceiling, after });
    };
    expect(of('write')).toEqual(['tool cancel is new, and a call of it has an effect: write']);
    expect(of('approve')).toHaveLength(1);
    expect(of('recommendOnly')).toEqual([]);
    expect(of('read')).toEqual([]);
    expect(risk({ tools: more })).toEqual([]);
  });

  test.each<[string, Permission, Permission, string]>([
    ['wider', { tool: 'book', mode: 'recommendOnly' }, { tool: 'book', mode: 'approve' }, 'a permission is wider'],
    ['wider from nothing', { tool: 'book', mode: 'read' }, { tool: 'book', mode: 'write' }, 'a permission is wider'],
    ['approval gone', { tool: 'book', mode: 'approve' }, { tool: 'book', mode: 'write' }, 'an approval is removed'],
    [
      'approval by condition only',
      { tool: 'book', mode: 'approve' },
      { tool: 'book', mode: 'write', approveWhen: 'args.n > 3' },
      'an approval is removed',
    ],
    [
      'condition gone',
      { tool: 'book', mode: 'write', approveWhen: 'true' },
      { tool: 'book', mode: 'write' },
      'an approval is removed',
    ],
    [
      'another condition',
      { tool: 'book', mode: 'write', approveWhen: 'true' },
      { tool: 'book', mode: 'write', approveWhen: 'false' },
      'an approval has another condition',
    ],
    [
      'another queue',
      { tool: 'book', mode: 'approve', queue: 'leads' },
      { tool: 'book', mode: 'approve' },
      'an approval is given by others',
    ],
    [
      'approval of a read gone',
      { tool: 'find', mode: 'approve' },
      { tool: 'find', mode: 'read' },
      'an approval is removed',
    ],
  ])('permission: %s', (_name, before, after, said) => {
    const found = riskOf(bundle(), bundle(), { before: [before], after: [after] });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(said);
    expect(riskOf(bundle(), bundle(), { before: [after], after: [after] })).toEqual([]);
  });

  test.each<[string, Partial<ToolSpec>, string]>([
    ['effect', { effect: 'irreversible' }, 'the effect of tool book is irreversible; before: write'],
    ['effect that is said to be none', { effect: 'read' }, 'the effect of tool book is read; before: write'],
    ['place', { http: { url: 'http://elsewhere/book' } }, 'its contract has another http'],
    ['arguments', { input: { type: 'object', properties: { all: {} } } }, 'another input'],
    ['recognition of repeats', { idempotency: { argument: 'id' } }, 'another idempotency'],
    ['doubt', { onAmbiguous: { escalate: true } }, 'another onAmbiguous'],
    ['credential', { credential: { secretRef: { name: 'root', key: 'k' } } }, 'another credential'],
  ])('contract of a tool that acts: %s', (_name, differing, said) => {
    const found = risk({ tools: { book: tool(differing), find: tool({ effect: 'read' }) } });
    // What is said to have no effect is no longer called under mode write: the approval of a read says nothing.
    expect(found.join('\n')).toContain(said);
  });

  test.each<[string, Differing, string]>([
    [
      'start',
      { spec: { models: { ...own.models, start: 'other2' } }, models: { other2: endpoint('x') } },
      'models.start',
    ],
    ['the same name, another model', { models: { small: endpoint('larger') } }, 'Model small of models.start'],
    [
      'a new backup',
      { spec: { models: { start: 'small', backup: 'judge' } } },
      'models.backup is judge; before: other',
    ],
    [
      'a planner of its own',
      {
        spec: { prompts: { ...own.prompts, planner: { text: 'Plan.' } }, models: { ...own.models, planner: 'judge' } },
      },
      'models.planner is judge; before: small',
    ],
    ['verifier', { spec: { verifier: { rules, model: 'other' } } }, 'verifier.model is other; before: judge'],
    ['verifier gone', { spec: { verifier: { rules } } }, 'no model verifies; before: judge'],
    [
      'verifier prompt',
      { spec: { prompts: { ...own.prompts, verifier: { text: 'Nod.' } } } },
      'the verifier has another prompt',
    ],
    ['rule gone', { spec: { verifier: { rules: rules.slice(1), model: 'judge' } } }, 'verifier rule booked is removed'],
    [
      'another rule',
      { spec: { verifier: { rules: [{ name: 'booked', cel: 'true' }, ...rules.slice(1)], model: 'judge' } } },
      'verifier rule booked is another: true',
    ],
    [
      'floor lower',
      { spec: { policy: { ...own.policy, confidenceFloor: '0.5' } } },
      'confidenceFloor is 0.5; before: 0.6',
    ],
    ['floor gone', { spec: { policy: { confidenceFrom: 'logprobs', costLimitMicros: 1 } } }, 'confidenceFloor is gone'],
    [
      'confidence from less',
      { spec: { policy: { ...own.policy, confidenceFrom: 'reported' } } },
      'confidenceFrom is reported',
    ],
    [
      'cost limit gone',
      { spec: { policy: { confidenceFloor: '0.6', confidenceFrom: 'logprobs' } } },
      'costLimitMicros is gone',
    ],
    ['more turns', { spec: { policy: { ...own.policy, maxTurns: 17 } } }, 'maxTurns is 17; before: 16'],
    ['more repairs', { spec: { policy: { ...own.policy, maxRepairs: 3 } } }, 'maxRepairs is 3; before: 2'],
  ])('%s', (_name, after, said) => {
    expect(risk(after)).toEqual([expect.stringContaining(said)]);
  });
});

describe('an ordinary change', () => {
  test.each<[string, Differing, Differing?]>([
    ['nothing', {}],
    ['another prompt', { spec: { prompts: { ...own.prompts, executor: { text: 'Book well.' } } } }],
    ['a tool less', { tools: { book: tool() } }],
    [
      'words and limits of a tool',
      { tools: { book: tool({ description: 'x', limits: { perMinute: 9 } }), find: tool({ effect: 'read' }) } },
    ],
    [
      'a tool that only reads, another place',
      { tools: { book: tool(), find: tool({ effect: 'read', http: { url: 'http://x' } }) } },
    ],
    [
      'price of a model',
      {
        models: { small: endpoint('small', { prices: { currency: 'USD', inputPerMillion: 9, outputPerMillion: 9 } }) },
      },
    ],
    [
      'another name of the same model',
      { spec: { models: { ...own.models, start: 'same' } }, models: { same: endpoint('small') } },
    ],
    ['no backup', { spec: { models: { start: 'small' } } }],
    ['a planner with the same model', { spec: { prompts: { ...own.prompts, planner: { text: 'Plan.' } } } }],
    ['one more rule', { spec: { verifier: { rules: [...rules, { name: 'more', cel: 'true' }], model: 'judge' } } }],
    [
      'words of a rule',
      { spec: { verifier: { rules: rules.map((rule) => ({ ...rule, message: 'x' })), model: 'judge' } } },
    ],
    ['a model that verifies, too', {}, { spec: { verifier: { rules } } }],
    ['a higher floor, fewer turns', { spec: { policy: { ...own.policy, confidenceFloor: '0.9', maxTurns: 8 } } }],
  ])('%s', (_name, after, before = {}) => {
    expect(risk(after, before)).toEqual([]);
  });
});

test('a rollout takes what is found, however much it is', () => {
  const names = Array.from({ length: 60 }, (_, index) => `tool-${index}`);
  const tools = Object.fromEntries(names.map((name) => [name, tool()]));
  const after = names.map((name): Permission => ({ tool: name, mode: 'write' }));
  const long = { name: 'booked', cel: `result.a == '${'x'.repeat(900)}'` };
  const found = riskOf(bundle(), bundle({ tools, spec: { verifier: { rules: [long], model: 'judge' } } }), {
    before: [],
    after,
  });
  expect(rolloutSpecSchema.shape.highRisk.parse(found)).toHaveLength(32);
  expect(found.at(-1)).toBe('and 31 more');
  expect(risk({ spec: { verifier: { rules: [long], model: 'judge' } } })[0]).toHaveLength(512);
});

describe('for any two bundles and ceilings', () => {
  const names = ['a', 'b', 'c'] as const;
  const side = fc.record({
    listed: fc.uniqueArray(fc.constantFrom(...names)),
    effects: fc.record({
      a: fc.constantFrom(...effects),
      b: fc.constantFrom(...effects),
      c: fc.constantFrom(...effects),
    }),
    ceiling: fc.uniqueArray(
      fc.record({
        tool: fc.constantFrom(...names),
        mode: fc.constantFrom(...permissionModes),
        approveWhen: fc.constantFrom(undefined, 'true', 'false'),
      }),
      { selector: ({ tool: name }) => name },
    ),
  });
  type Given = typeof side extends fc.Arbitrary<infer Value> ? Value : never;
  const bundleOf = ({ listed, effects: of }: Given) =>
    bundle({ tools: Object.fromEntries(listed.map((name) => [name, tool({ effect: of[name] })])) });
  const permissionsOf = ({ ceiling: given }: Given): readonly Permission[] =>
    given.map(({ tool: name, mode, approveWhen }) => ({
      tool: name,
      mode,
      ...(mode === 'write' && approveWhen !== undefined ? { approveWhen } : {}),
    }));
  /** 0 nothing happens, 1 a person is asked, 2 it is done. */
  function freedom(given: Given, name: string): number {
    const kind = decide({
      agent: {
        namespace: 'demo',
        name: 'desk',
        role: '',
        generation: 1,
        permissions: permissionsOf(given),
        bundle: 'desk-1',
        bundleDigest: '',
      },
      bundle: bundleOf(given),
      task: { readOnly: false, highRisk: false },
      state: 's',
      tool: name,
      args: {},
      run: {},
      input: {},
      facts: {},
    }).kind;
    return { Allow: 2, NeedsApproval: 1, Recommend: 0, Deny: 0 }[kind];
  }
  it('nothing found: no call with an effect gets further than before, as permission decides', () => {
    fc.assert(
      fc.property(side, side, (before, after) => {
        const ceilings = { before: permissionsOf(before), after: permissionsOf(after) };
        fc.pre(riskOf(bundleOf(before), bundleOf(after), ceilings).length === 0);
        for (const name of after.listed.filter((one) => after.effects[one] !== 'read')) {
          expect(freedom(after, name)).toBeLessThanOrEqual(freedom(before, name));
        }
      }),
      { numRuns: 2_000 },
    );
  });
  it('R1: the same is never found, and neither is a bundle with fewer tools', () => {
    fc.assert(
      fc.property(side, fc.subarray([...names]), (given, kept) => {
        const ceilings = { before: permissionsOf(given), after: permissionsOf(given) };
        const fewer = { ...given, listed: given.listed.filter((name) => kept.includes(name)) };
        expect(riskOf(bundleOf(given), bundleOf(fewer), ceilings)).toEqual([]);
      }),
    );
  });
});
