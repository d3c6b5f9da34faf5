import { describe, expect, it } from 'vitest';
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import type { Effect, ToolSpec } from '../../api/v1alpha1/tool.ts';
import { decide, type Proposal } from './decide.ts';
import { callDigest, effectKey } from './digest.ts';

const tool = (effect: Effect): ToolSpec => ({
  description: 'A tool.',
  http: { url: 'http://tool.test/x' },
  input: { type: 'object' },
  effect,
});

function proposal(
  permission: Partial<Permission> | undefined,
  effect: Effect,
  more: Partial<Proposal> & { readonly bundleTools?: readonly string[] } = {},
): Proposal {
  const { bundleTools = ['refund'], ...rest } = more;
  const agent: AgentSnapshot = {
    namespace: 'shop',
    name: 'clerk',
    role: 'Serves customers.',
    generation: 1,
    permissions: permission === undefined ? [] : [{ tool: 'refund', mode: 'write', ...permission }],
    bundle: 'clerk-v1',
    bundleDigest: 'sha256:00',
  };
  const bundle: ResolvedBundle = {
    namespace: 'shop',
    name: 'clerk-v1',
    agent: 'clerk',
    digest: 'sha256:00',
    spec: {
      agent: 'clerk',
      prompts: { executor: { text: 'Serve.' } },
      models: { start: 'small' },
      tools: [...bundleTools],
      verifier: { rules: [{ name: 'any', cel: 'true' }] },
    },
    tools: { refund: { digest: 'sha256:01', spec: tool(effect) } },
    models: {},
  };
  return {
    agent,
    bundle,
    task: { readOnly: false, highRisk: false },
    state: 'settle',
    tool: 'refund',
    args: { amount: 50 },
    run: { id: 'r1' },
    input: { limit: 40 },
    facts: {},
    ...rest,
  };
}

describe('a call is decided from ceiling, bundle, task, mode and budget', () => {
  const table: readonly (readonly [string, Proposal, string])[] = [
    ['the ceiling does not list the tool', proposal(undefined, 'write'), 'Deny ceilingLacksTool'],
    ['no such agent is known', proposal({}, 'write', { agent: undefined }), 'Deny agentIsUnknown'],
    ['the bundle does not list the tool', proposal({}, 'write', { bundleTools: [] }), 'Deny bundleLacksTool'],
    [
      'the tool is a name of the object prototype',
      proposal({}, 'write', { tool: 'constructor' }),
      'Deny bundleLacksTool',
    ],
    [
      'the task narrows to other tools',
      proposal({}, 'write', { task: { tools: ['look'], readOnly: false, highRisk: false } }),
      'Deny taskLacksTool',
    ],
    ['mode read, tool with effect', proposal({ mode: 'read' }, 'idempotentWrite'), 'Deny modeReadForbidsEffect'],
    ['mode read, tool without effect', proposal({ mode: 'read' }, 'read'), 'Allow'],
    [
      'a read-only state, tool with effect',
      proposal({}, 'write', { task: { readOnly: true, highRisk: false } }),
      'Deny runIsReadOnly',
    ],
    [
      'a read-only state, tool without effect',
      proposal({}, 'read', { task: { readOnly: true, highRisk: false } }),
      'Allow',
    ],
    ['nothing is left of the budget', proposal({}, 'write', { budgetLeftMicros: 0 }), 'Deny budgetIsSpent'],
    ['one micro is left of the budget', proposal({}, 'write', { budgetLeftMicros: 1 }), 'Allow'],
    ['mode recommendOnly', proposal({ mode: 'recommendOnly' }, 'write'), 'Recommend'],
    ['mode approve', proposal({ mode: 'approve', queue: 'desk' }, 'write'), 'NeedsApproval desk'],
    ['mode write', proposal({}, 'irreversible'), 'Allow'],
    [
      'approveWhen holds',
      proposal({ approveWhen: 'args.amount > input.limit', queue: 'desk' }, 'write'),
      'NeedsApproval desk',
    ],
    ['approveWhen does not hold', proposal({ approveWhen: 'args.amount > 100' }, 'write'), 'Allow'],
    ['approveWhen cannot be evaluated', proposal({ approveWhen: 'args.price > 100' }, 'write'), 'NeedsApproval '],
    ['approveWhen does not parse', proposal({ approveWhen: 'args.amount >' }, 'write'), 'NeedsApproval '],
    ['approveWhen is no bool', proposal({ approveWhen: 'args.amount' }, 'write'), 'NeedsApproval '],
    [
      'a high-risk state asks the override queue',
      proposal({ queue: 'desk' }, 'write', { task: { readOnly: false, highRisk: true, override: 'lead' } }),
      'NeedsApproval lead',
    ],
    [
      'a high-risk state, tool without effect',
      proposal({}, 'read', { task: { readOnly: false, highRisk: true, override: 'lead' } }),
      'Allow',
    ],
  ];
  it.each(table)('%s', (_words, given, expected) => {
    const decision = decide(given);
    const shown =
      decision.kind === 'Deny'
        ? `Deny ${decision.check}`
        : decision.kind === 'NeedsApproval'
          ? `NeedsApproval ${decision.queue ?? ''}`
          : decision.kind;
    expect(shown).toBe(expected);
  });

  it('asks about the bytes that would be sent', () => {
    const decision = decide(proposal({ mode: 'approve' }, 'write', { args: { b: 1, a: 'x' } }));
    expect(decision).toMatchObject({ kind: 'NeedsApproval' });
    expect(decision.kind === 'NeedsApproval' && decision.question).toContain('{"a":"x","b":1}');
  });

  it('a bundle never widens: every call the ceiling denies stays denied for any bundle', () => {
    for (const effect of ['read', 'idempotentWrite', 'write', 'irreversible'] as const) {
      expect(decide(proposal(undefined, effect, { bundleTools: ['refund', 'refund'] })).kind).toBe('Deny');
    }
  });
});

describe('the identity of a call', () => {
  const call = { run: 'r1', activity: 'pay.1', tool: 'refund', args: { b: 1, a: [1, { d: 1, c: 2 }] } };
  it('does not depend on the order of members', () => {
    expect(callDigest({ ...call, args: { a: [1, { c: 2, d: 1 }], b: 1 } })).toBe(callDigest(call));
  });
  it('depends on run, activity, tool and arguments', () => {
    const others = [
      { ...call, run: 'r2' },
      { ...call, activity: 'pay.2' },
      { ...call, tool: 'pay' },
      { ...call, args: {} },
    ];
    expect(new Set([call, ...others].map(callDigest)).size).toBe(5);
  });
  it('is a subject token as a ledger key', () => {
    expect(effectKey(call)).toMatch(/^[0-9a-f]{64}$/);
  });
});
