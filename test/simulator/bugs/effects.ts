// Owns: bugs in how effects are made, paid for and told.
import type { Bug } from './bug.ts';

const effect = 'core/permission/effect.ts';
const shell = 'runtime/gateway/effect.ts';
const decide = 'core/permission/decide.ts';

export const effectBugs: readonly Bug[] = [
  {
    name: 'no-ledger-open',
    what: 'a tool is called without an open entry',
    breaks: ['I13'],
    edits: [
      {
        file: shell,
        find: 'const opened = await persist(effect, () => ledger.write(key, open, revision));',
        replace:
          'const opened: number | undefined = await persist(effect, () => Promise.resolve(open.at > 0 ? revision : undefined));',
      },
    ],
  },
  {
    name: 'key-with-attempt',
    what: 'the ledger key of an effect holds the attempt',
    breaks: ['I2', 'I13'],
    edits: [
      {
        file: shell,
        find: 'ledgerKeyOf(gateway, admitted.target.run, call.digest)',
        replace: 'ledgerKeyOf(gateway, admitted.target.run, `${call.digest}${admitted.target.attempt}`)',
      },
    ],
  },
  {
    name: 'repeat-after-ambiguous',
    what: 'an effect that nobody knows of is made again',
    breaks: ['I2', 'I13'],
    edits: [
      {
        file: effect,
        find: "      return { kind: 'Ambiguous', reason: entry.reason };",
        replace: "      return { kind: 'Open' };",
      },
    ],
  },
  {
    name: 'no-wait-for-the-deadline',
    what: 'the open entry of another gateway is taken over at once',
    breaks: ['I2', 'I13'],
    edits: [{ file: effect, find: 'if (mine || now >= entry.deadline + skewMs)', replace: 'if (mine || now >= 0)' }],
  },
  {
    name: 'everything-repeats',
    what: 'a tool that does not know repeats is called again',
    breaks: ['I2'],
    scene: { focus: 'tool' },
    edits: [
      {
        file: effect,
        find: "if (spec.effect === 'idempotentWrite' || spec.effect === 'read') {",
        replace: "if (spec.effect !== 'read' || tries >= 0) {",
      },
    ],
  },
  {
    name: 'one-no-is-believed',
    what: 'a query tool is asked once, at once',
    breaks: ['I2'],
    scene: { focus: 'tool' },
    edits: [
      {
        file: effect,
        find: 'queryDelaysMs: readonly number[] = [250, 1_000]',
        replace: 'queryDelaysMs: readonly number[] = [1]',
      },
    ],
  },
  {
    name: 'refused-although-it-acted',
    what: 'the no to a repeat is taken for a no to the first call',
    breaks: ['I2', 'I13'],
    edits: [
      {
        file: shell,
        find: "(reply.kind !== 'Done' && state.doubted)",
        replace: "(reply.kind !== 'Done' && state.tries < 0)",
      },
    ],
  },
  {
    name: 'ledger-without-fence',
    what: 'a gateway writes what came of a call over what another one has written since',
    breaks: ['I13', 'I2'],
    scene: { focus: 'gateway' },
    edits: [
      {
        file: 'adapters/nats/ledger.ts',
        find: '        expect: { lastSubjectSequence: wanted.expectedRevision },\n',
        replace: '',
      },
    ],
  },
  {
    name: 'same-ask-another-answer',
    what: 'an ask that comes again after its refusal makes the call',
    breaks: ['I2'],
    edits: [
      {
        file: shell,
        find: '    if (same !== undefined) return same;',
        replace: "    if (same?.kind === 'Ok') return same;",
      },
    ],
  },
  {
    name: 'answer-before-the-ledger',
    what: 'a worker hears of an effect before the ledger has it',
    breaks: ['I13'],
    scene: { focus: 'gateway' },
    edits: [
      {
        file: shell,
        find: '!(await settle(effect, entry, revision))',
        replace: '!(void settle(effect, entry, revision), await Promise.resolve(true))',
      },
    ],
  },
  {
    name: 'unproposed-effects',
    what: 'effects are made without being proposed in the journal first',
    breaks: ['I13'],
    edits: [
      {
        file: 'core/workflow/authorize.ts',
        find: 'if (request.effectful === true && !isProposed(state, activity, request)) {',
        replace: 'if (request.effectful === true && isProposed(state, activity, request) && now < 0) {',
      },
      {
        file: 'runtime/worker/activity.ts',
        find: 'if (step.calls.some((call) => isEffectful(activity, call))) {',
        replace: 'if (step.calls.length < 0 && step.calls.some((call) => isEffectful(activity, call))) {',
      },
    ],
  },
  {
    name: 'recommendation-carried-out',
    what: 'a call that may only be recommended is made',
    breaks: ['I4', 'I2'],
    edits: [
      {
        file: decide,
        find: "  ['modeIsRecommendOnly', (call) => (call.permission.mode === 'recommendOnly' ? { kind: 'Recommend' } : undefined)],\n",
        replace: '',
      },
    ],
  },
  {
    name: 'high-risk-without-approval',
    what: 'the effects of a high-risk task ask nobody',
    breaks: ['I6'],
    edits: [{ file: decide, find: "  ['taskIsHighRisk', taskIsHighRisk],\n", replace: '' }],
  },
  {
    name: 'budget-of-one-turn',
    what: 'what earlier turns have cost is forgotten',
    breaks: ['I16', 'I11'],
    edits: [
      {
        file: 'core/workflow/evolve.ts',
        find: 'costMicros: state.costMicros + costOf(turn) - (before === undefined ? 0 : costOf(before)),',
        replace: 'costMicros: costOf(turn),',
      },
    ],
  },
  {
    name: 'budget-never-less',
    what: 'what a run has cost takes nothing from its budget',
    breaks: ['I16'],
    scene: { workflow: 'cheap' },
    edits: [
      {
        file: 'core/workflow/definition.ts',
        find: 'shares.reduce((sum, share) => sum + share, costMicros)',
        replace: 'shares.reduce((sum, share) => sum + share, Math.min(0, costMicros))',
      },
    ],
  },
  {
    name: 'model-without-budget',
    what: 'a model is asked although the budget is spent',
    breaks: ['I16'],
    scene: { workflow: 'cheap' },
    edits: [
      {
        file: 'runtime/gateway/model-ask.ts',
        find: 'if (admitted.budgetLeftMicros !== undefined && admitted.budgetLeftMicros <= 0) {',
        replace: 'if (admitted.budgetLeftMicros !== undefined && admitted.budgetLeftMicros < 0) {',
      },
    ],
  },
  {
    name: 'denied-after-all',
    what: 'a call is denied without a look whether it has begun while it was permitted',
    breaks: ['I2', 'I13'],
    edits: [
      {
        file: 'runtime/gateway/tool-ask.ts',
        find: "spec.effect !== 'read' && isProposed(facts, admitted)",
        replace: "spec.effect !== 'read' && !isProposed(facts, admitted)",
      },
    ],
  },
];
