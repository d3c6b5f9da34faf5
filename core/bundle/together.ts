// Owns: the checks of a bundle together with its agent, the policies and the workflows that use it: what no object shows alone.
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { callsType, asObject, pointsOf, runOutsideType } from '../admission/facts.ts';
import { type Finding, finding, quote, quoteAll, type StaticCheck } from '../admission/finding.ts';
import type { Lookups } from '../admission/references.ts';
import { checkTypes } from '../cel/check.ts';
import { typeOfSchema } from '../cel/schema-type.ts';
import { anObject, type Type } from '../cel/type.ts';

/** A finding, and the object whose field it names. */
export interface Located extends Finding {
  readonly kind: 'Agent' | 'Bundle' | 'EscalationPolicy';
  readonly name: string;
}

export interface Together {
  readonly name: string;
  readonly spec: BundleSpec;
  readonly existing: Lookups;
  /** Every workflow that may use the agent. */
  readonly workflows: ReadonlyMap<string, WorkflowSpec>;
}

export function checkTogether(given: Together): readonly Located[] {
  const { spec, existing, workflows } = given;
  const agent = existing.agent(spec.agent);
  const tasks = [...workflows].flatMap(([name, workflow]) => tasksOf(spec.agent, name, workflow));
  const on = (kind: Located['kind'], name: string) => (found: Finding) => ({ ...found, kind, name });
  const own = on('Bundle', given.name);
  return [
    ...ruleFactUnset(spec, tasks).map(own),
    ...executorJson(spec, tasks, existing).map(own),
    ...(agent === undefined ? [] : toolNeverOffered(spec, { agent, tasks, existing }).map(own)),
    ...(agent === undefined ? [] : ceilingTooWide(spec, agent, existing).map(on('Agent', spec.agent))),
    ...[...policiesOf(agent, tasks, existing)].flatMap(([name, policy]) => [
      ...confidenceUntold(spec, { name, policy, tasks, existing }).map(own),
      ...thresholdSwallowed(spec, policy).map(on('EscalationPolicy', name)),
    ]),
  ];
}

/** A state in which the agent works, with what rules see there. */
interface Task {
  readonly where: string;
  readonly state: WorkflowState;
  readonly workflow: WorkflowSpec;
  readonly types: Readonly<Record<string, Type>>;
}

function tasksOf(agent: string, name: string, workflow: WorkflowSpec): readonly Task[] {
  const states = Object.entries(workflow.states).filter(
    ([, state]) => ['task', 'compensation'].includes(state.type) && [state.agent, state.backup].includes(agent),
  );
  if (states.length === 0) return [];
  const points = pointsOf(workflow);
  const input = asObject(typeOfSchema(workflow.input));
  return states.map(([state, spec]) => ({
    where: `state ${state} of Workflow ${name}`,
    state: spec,
    workflow,
    types: {
      calls: callsType,
      run: runOutsideType,
      input,
      facts: points.in(state)?.facts ?? anObject({}, true),
      result: spec.output === undefined ? anObject({}, true) : asObject(typeOfSchema(spec.output)),
    },
  }));
}

/** A rule that reads what no task has can never hold; one that holds in some task only is left to its author. */
function ruleFactUnset({ verifier }: BundleSpec, tasks: readonly Task[]): readonly Finding[] {
  if (tasks.length === 0) return [];
  return (verifier.rules ?? []).flatMap(({ cel }, index) => {
    const problems = tasks.map(({ types }) => checkTypes(cel, types).problems[0]);
    const [first] = problems;
    if (first === undefined || problems.some((problem) => problem === undefined)) return [];
    const part = first.part === undefined ? '' : `${first.part}: `;
    const found = `${quote(cel)}: ${part}${first.found}, in ${tasks.map(({ where }) => where).join(' and ')}`;
    return [finding('ruleFactUnset', `spec.verifier.rules[${index}].cel`, { found, allowed: first.allowed })];
  });
}

function executorJson({ models }: BundleSpec, tasks: readonly Task[], { model }: Lookups): readonly Finding[] {
  const asking = tasks.find(({ state }) => state.output !== undefined);
  if (asking === undefined) return [];
  return (['start', 'backup'] as const).flatMap((role) => {
    const name = models[role];
    if (name === undefined || model(name)?.capabilities?.jsonSchema !== false) return [];
    const what = {
      found: `Model ${quote(name)} with capabilities.jsonSchema false`,
      allowed: `a Model that can: ${asking.where} has an output schema`,
    };
    return [finding('modelIncapable', `spec.models.${role}`, what)];
  });
}

interface Using {
  readonly agent: AgentSpec;
  readonly tasks: readonly Task[];
  readonly existing: Lookups;
}

function toolNeverOffered({ tools }: BundleSpec, { agent, tasks, existing }: Using): readonly Finding[] {
  return tools.flatMap((tool, index) => {
    const spec = existing.tool(tool);
    const mode = agent.permissions.find((permission) => permission.tool === tool)?.mode;
    // What the ceiling lacks is found with the agent.
    if (spec === undefined || mode === undefined) return [];
    const never = (found: string, allowed: string, severity: Finding['severity']): Finding[] => [
      finding('toolNeverOffered', `spec.tools[${index}]`, { found: `${quote(tool)}, ${found}`, allowed }, { severity }),
    ];
    if (mode === 'read' && spec.effect !== 'read') {
      const found = `which has effect ${spec.effect}, under a permission of mode read, so that no model is offered it`;
      return never(found, 'tools that the permissions of the agent let it use', 'error');
    }
    if (tasks.length === 0 || tasks.some(({ state }) => offers(state, tool, spec))) return [];
    return never('which no task offers to a model', 'tools that some task of the agent can use', 'warning');
  });
}

const offers = ({ tools, readOnly }: WorkflowState, name: string, { effect }: ToolSpec): boolean =>
  (tools === undefined || tools.includes(name)) && (effect === 'read' || readOnly !== true);

function ceilingTooWide(spec: BundleSpec, { permissions }: AgentSpec, { tool }: Lookups): readonly Finding[] {
  const asked = new Set(spec.tools.map((name) => tool(name)?.onAmbiguous?.query?.tool));
  return permissions.flatMap((permission, index) => {
    const wide = (found: string, allowed: string): Finding[] => {
      const field = `spec.permissions[${index}]`;
      return [
        finding(
          'ceilingTooWide',
          field,
          { found: `${quote(permission.tool)}, ${found}`, allowed },
          { severity: 'warning' },
        ),
      ];
    };
    if (!spec.tools.includes(permission.tool)) {
      return asked.has(permission.tool) ? [] : wide('which the bundle does not list', `${quoteAll(spec.tools)}`);
    }
    const reads = tool(permission.tool)?.effect === 'read';
    return reads && permission.mode === 'write' ? wide('which only reads, with mode write', 'mode read') : [];
  });
}

function policiesOf(
  agent: AgentSpec | undefined,
  tasks: readonly Task[],
  existing: Lookups,
): ReadonlyMap<string, EscalationPolicySpec> {
  const refs = [agent?.escalationPolicyRef, ...tasks.map(({ workflow }) => workflow.escalationPolicyRef)];
  return new Map(
    refs.flatMap((ref) => {
      const policy = ref === undefined ? undefined : existing.policy(ref.name);
      return ref === undefined || policy === undefined ? [] : [[ref.name, policy] as const];
    }),
  );
}

interface Ruling {
  readonly name: string;
  readonly policy: EscalationPolicySpec;
  readonly tasks: readonly Task[];
  readonly existing: Lookups;
}

/** A model that was not asked for its confidence does not report it, and then each of its results goes to a person. */
function confidenceUntold(spec: BundleSpec, { name, policy, tasks, existing }: Ruling): readonly Finding[] {
  const rule = policy.rules.find(({ signal }) => signal === 'lowConfidence');
  const reports = (spec.policy?.confidenceFrom ?? 'reported') === 'reported';
  const told = /\bconfidence\b/i.test(spec.prompts.executor.text);
  const asked = tasks.some(({ state }) => Object.hasOwn(propertiesOf(state.output), 'confidence'));
  // A script says itself how confident it is.
  const scripted = existing.model(spec.models.start)?.scripted !== undefined;
  if (rule === undefined || !reports || told || asked || scripted) return [];
  const check: StaticCheck = 'confidenceUntold';
  const found = `no word of confidence, which rule ${quote(rule.name)} of EscalationPolicy ${quote(name)} looks at`;
  const allowed =
    'a prompt that asks for `confidence`, from 0 to 1, in the answer; or spec.policy.confidenceFrom logprobs or none';
  return [finding(check, 'spec.prompts.executor.text', { found, allowed })];
}

const propertiesOf = (schema: unknown): object =>
  (schema as { readonly properties?: object } | undefined)?.properties ?? {};

function thresholdSwallowed(spec: BundleSpec, { rules }: EscalationPolicySpec): readonly Finding[] {
  const floor = spec.policy?.confidenceFloor;
  if (floor === undefined) return [];
  return rules.flatMap(({ signal, below }, index) => {
    if (signal !== 'lowConfidence' || below === undefined || Number(below) >= Number(floor)) return [];
    const what = {
      found: `${below}, below confidenceFloor ${floor} of the bundle of agent ${quote(spec.agent)}, at which the rule fires already`,
      allowed: `${floor} or more, or a lower spec.policy.confidenceFloor of the bundle`,
    };
    return [finding('thresholdSwallowed', `spec.rules[${index}].below`, what)];
  });
}
