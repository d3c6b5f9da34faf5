// The permission as a whole: for any ceiling, bundle, task and call, narrowing never allows more.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import { permissionModes } from '../../api/v1alpha1/agent.ts';
import { effects } from '../../api/v1alpha1/tool.ts';
import { offers } from '../agent/offer.ts';
import { decide, type PermissionDecision, type Proposal } from './decide.ts';

const names = ['a', 'b', 'c'] as const;
const name = fc.constantFrom(...names);
const some = fc.uniqueArray(name);

const proposals = fc
  .record({
    ceiling: fc.uniqueArray(fc.record({ tool: name, mode: fc.constantFrom(...permissionModes) }), {
      selector: (permission) => permission.tool,
    }),
    effect: fc.record({
      a: fc.constantFrom(...effects),
      b: fc.constantFrom(...effects),
      c: fc.constantFrom(...effects),
    }),
    bundleTools: some,
    taskTools: fc.option(some, { nil: undefined }),
    readOnly: fc.boolean(),
    highRisk: fc.boolean(),
    tool: fc.oneof(name, fc.string()),
    budgetLeftMicros: fc.option(fc.integer({ min: -5, max: 5 }), { nil: undefined }),
    args: fc.dictionary(fc.string(), fc.jsonValue()),
  })
  .map((given): Proposal => {
    const bundle: ResolvedBundle = {
      namespace: 'ns',
      name: 'bundle',
      agent: 'agent',
      digest: 'sha256:00',
      spec: {
        agent: 'agent',
        prompts: { executor: { text: 'x' } },
        models: { start: 'm' },
        tools: given.bundleTools,
        verifier: {},
      },
      tools: Object.fromEntries(
        names.map((tool) => [
          tool,
          {
            digest: tool,
            spec: { description: tool, input: {}, effect: given.effect[tool], http: { url: 'http://x' } },
          },
        ]),
      ),
      models: {},
    };
    const { taskTools, budgetLeftMicros } = given;
    return {
      agent: {
        namespace: 'ns',
        name: 'agent',
        role: 'x',
        generation: 1,
        permissions: given.ceiling,
        bundle: 'bundle',
        bundleDigest: 'sha256:00',
      },
      bundle,
      task: {
        readOnly: given.readOnly,
        highRisk: given.highRisk,
        ...(taskTools === undefined ? {} : { tools: taskTools }),
      },
      state: 's',
      tool: given.tool,
      args: given.args as Proposal['args'],
      run: {},
      input: {},
      facts: {},
      ...(budgetLeftMicros === undefined ? {} : { budgetLeftMicros }),
    };
  });

/** How far a decision lets a call get. */
const reach: Readonly<Record<PermissionDecision['kind'], number>> = {
  Deny: 0,
  Recommend: 1,
  NeedsApproval: 2,
  Allow: 3,
};
const reachOf = (proposal: Proposal): number => reach[decide(proposal).kind];

it('allows only what ceiling, bundle and task all name', () => {
  fc.assert(
    fc.property(proposals, (proposal) => {
      if (decide(proposal).kind === 'Deny') return;
      expect(proposal.agent?.permissions.map((permission) => permission.tool)).toContain(proposal.tool);
      expect(proposal.bundle.spec.tools).toContain(proposal.tool);
      if (proposal.task.tools !== undefined) expect(proposal.task.tools).toContain(proposal.tool);
    }),
    { numRuns: 1_000 },
  );
});

it('no narrowing lets a call get further', () => {
  fc.assert(
    fc.property(proposals, some, (proposal, kept) => {
      const before = reachOf(proposal);
      const { agent, bundle, task } = proposal;
      const narrower: readonly Proposal[] = [
        { ...proposal, task: { ...task, readOnly: true } },
        { ...proposal, task: { ...task, highRisk: true } },
        {
          ...proposal,
          task: { ...task, tools: (task.tools ?? names).filter((tool) => kept.some((one) => one === tool)) },
        },
        {
          ...proposal,
          bundle: { ...bundle, spec: { ...bundle.spec, tools: kept.filter((one) => bundle.spec.tools.includes(one)) } },
        },
        { ...proposal, agent: undefined },
        { ...proposal, budgetLeftMicros: 0 },
        ...(agent === undefined ? [] : [{ ...proposal, agent: { ...agent, permissions: agent.permissions.slice(1) } }]),
      ];
      for (const one of narrower) expect(reachOf(one)).toBeLessThanOrEqual(before);
    }),
    { numRuns: 1_000 },
  );
});

it('what a model is shown is exactly what is not denied to it, budget aside', () => {
  fc.assert(
    fc.property(proposals, (proposal) => {
      const { agent, bundle, task, budgetLeftMicros: _budget, ...rest } = proposal;
      if (agent === undefined) return;
      const shown = offers(agent, bundle, task).map((offer) => offer.tool);
      const possible = names.filter((tool) => decide({ ...rest, agent, bundle, task, tool }).kind !== 'Deny');
      expect(shown.toSorted()).toEqual(possible.toSorted());
    }),
    { numRuns: 1_000 },
  );
});
