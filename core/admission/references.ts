// Owns: the checks that need other objects. They never refuse an object, since objects may come in any order: the operator
// puts them in conditions, with the reason of the finding.
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { WorkflowRunSpec, WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import type { Reason } from '../../api/conditions.ts';
import { checkCapabilities } from '../bundle/capabilities.ts';
import { checkPrompts } from '../bundle/prompts.ts';
import type { Checked } from './admission.ts';
import { checkConditions } from './agent.ts';
import { type Finding, finding, quote, quoteAll, type StaticCheck } from './finding.ts';

/** The existing objects of one namespace, by name. */
export interface Lookups {
  readonly agent: (name: string) => AgentSpec | undefined;
  readonly bundle: (name: string) => BundleSpec | undefined;
  readonly tool: (name: string) => ToolSpec | undefined;
  readonly model: (name: string) => ModelSpec | undefined;
  readonly policy: (name: string) => EscalationPolicySpec | undefined;
  readonly workflow: (name: string) => WorkflowSpec | undefined;
}

type Referring = Checked | { readonly kind: 'WorkflowRun'; readonly spec: WorkflowRunSpec };

/** Findings of severity `error` mean that the object cannot be used yet. */
export function checkReferences(name: string, object: Referring, existing: Lookups): readonly Finding[] {
  switch (object.kind) {
    case 'Agent':
      return checkAgentReferences(name, object.spec, existing);
    case 'Bundle':
      return checkBundleReferences(object.spec, existing);
    case 'EscalationPolicy':
      return checkPolicyReferences(object.spec, existing);
    case 'Model':
      return [];
    case 'Tool':
      return checkToolReferences(object.spec, existing);
    case 'Workflow':
      return checkWorkflowReferences(name, object.spec, existing);
    case 'WorkflowRun':
      return workflowExists('spec.workflowRef.name', object.spec.workflowRef.name, existing);
  }
}

function missing(kind: string, check: StaticCheck, reason: Reason) {
  return (field: string, name: string | undefined, there: unknown): Finding[] => {
    if (name === undefined || there !== undefined) return [];
    const what = { found: `${kind} ${quote(name)}, which does not exist`, allowed: `a ${kind} of this namespace` };
    return [finding(check, field, what, { reason })];
  };
}
const noAgent = missing('Agent', 'agentUnknown', 'AgentNotFound');
const noBackup = missing('Agent', 'backupUnknown', 'AgentNotFound');
const noBundle = missing('Bundle', 'bundleUnknown', 'BundleNotFound');
const noTool = missing('Tool', 'toolUnknown', 'ToolNotFound');
const noModel = missing('Model', 'modelUnknown', 'ModelNotFound');
const noPolicy = missing('EscalationPolicy', 'policyUnknown', 'PolicyNotFound');
const noWorkflow = missing('Workflow', 'workflowUnknown', 'WorkflowNotFound');

const workflowExists = (field: string, name: string | undefined, { workflow }: Lookups) =>
  name === undefined ? [] : noWorkflow(field, name, workflow(name));

export function checkAgentReferences(name: string, spec: AgentSpec, existing: Lookups): readonly Finding[] {
  const bundle = existing.bundle(spec.bundleRef.name);
  const policy = policyOf(spec, existing);
  return [
    ...noBundle('spec.bundleRef.name', spec.bundleRef.name, bundle),
    ...noPolicy('spec.escalationPolicyRef.name', spec.escalationPolicyRef?.name, policy),
    ...(bundle === undefined ? [] : checkBundleFits(name, spec, bundle)),
    ...spec.permissions.flatMap(({ tool }, index) =>
      noTool(`spec.permissions[${index}].tool`, tool, existing.tool(tool)),
    ),
    ...checkConditions(spec, existing.tool),
    ...(policy === undefined
      ? []
      : spec.permissions.flatMap(({ queue }, index) =>
          queueUnknown(`spec.permissions[${index}].queue`, queue, [policy]),
        )),
  ];
}

function checkBundleFits(name: string, spec: AgentSpec, bundle: BundleSpec): readonly Finding[] {
  if (bundle.agent !== name) {
    const found = `Bundle ${quote(spec.bundleRef.name)}, whose spec.agent is ${quote(bundle.agent)}`;
    const what = { found, allowed: `a Bundle whose spec.agent is ${quote(name)}` };
    return [finding('bundleForOtherAgent', 'spec.bundleRef.name', what, { reason: 'BundleForOtherAgent' })];
  }
  const ceiling = new Set(spec.permissions.map(({ tool }) => tool));
  const outside = bundle.tools.filter((tool) => !ceiling.has(tool));
  if (outside.length === 0) return [];
  const found = `Bundle ${quote(spec.bundleRef.name)} with the tools ${quoteAll(outside)}, which are left out`;
  const what = { found, allowed: `the tools of spec.permissions: ${quoteAll([...ceiling])}` };
  return [
    finding('toolOutsideCeiling', 'spec.bundleRef.name', what, { reason: 'ToolOutsideCeiling', severity: 'warning' }),
  ];
}

export function checkBundleReferences(spec: BundleSpec, existing: Lookups): readonly Finding[] {
  const { start, backup, planner } = spec.models;
  const model = (field: string, name: string | undefined) =>
    name === undefined ? [] : noModel(field, name, existing.model(name));
  return [
    ...noAgent('spec.agent', spec.agent, existing.agent(spec.agent)).map((found) => ({
      ...found,
      severity: 'warning' as const,
    })),
    ...spec.tools.flatMap((tool, index) => bundleTool(`spec.tools[${index}]`, tool, existing)),
    ...model('spec.models.start', start),
    ...model('spec.models.backup', backup),
    ...model('spec.models.planner', planner),
    ...model('spec.verifier.model', spec.verifier.model),
    ...checkPrompts(spec, existing.tool),
    ...checkCapabilities(spec, existing),
  ];
}

/** A bundle holds the contract of a listed tool, and that of the tool it is looked up with. */
function bundleTool(field: string, name: string, existing: Lookups): readonly Finding[] {
  const spec = existing.tool(name);
  const unfit = spec === undefined ? undefined : unfitQuery(spec, existing);
  if (unfit === undefined) return noTool(field, name, spec);
  const found = `Tool ${quote(name)}, whose spec.onAmbiguous.query.tool is ${unfit}`;
  const what = { found, allowed: 'a Tool whose query tool exists in this namespace and has effect read' };
  return [finding('queryToolUnfit', field, what, { reason: 'ToolNotFound' })];
}

export function checkToolReferences(spec: ToolSpec, existing: Lookups): readonly Finding[] {
  const found = unfitQuery(spec, existing);
  if (found === undefined) return [];
  const what = { found, allowed: 'a Tool of this namespace with effect read' };
  return [finding('queryToolUnfit', 'spec.onAmbiguous.query.tool', what, { reason: 'ToolNotFound' })];
}

function unfitQuery(spec: ToolSpec, existing: Lookups): string | undefined {
  const name = spec.onAmbiguous?.query?.tool;
  if (name === undefined) return undefined;
  const effect = existing.tool(name)?.effect;
  if (effect === undefined) return `Tool ${quote(name)}, which does not exist`;
  return effect === 'read' ? undefined : `Tool ${quote(name)} with effect ${effect}`;
}

export function checkPolicyReferences(spec: EscalationPolicySpec, existing: Lookups): readonly Finding[] {
  return [
    ...spec.rules.flatMap(({ agent, workflow }, index) => [
      ...(agent === undefined ? [] : noAgent(`spec.rules[${index}].agent`, agent, existing.agent(agent))),
      ...workflowExists(`spec.rules[${index}].workflow`, workflow, existing),
    ]),
    ...spec.queues.flatMap(({ onExpiry }, index) =>
      workflowExists(`spec.queues[${index}].onExpiry.fallbackWorkflow`, onExpiry?.fallbackWorkflow, existing),
    ),
  ];
}

export function checkWorkflowReferences(name: string, spec: WorkflowSpec, existing: Lookups): readonly Finding[] {
  const policy = policyOf(spec, existing);
  return [
    ...noPolicy('spec.escalationPolicyRef.name', spec.escalationPolicyRef?.name, policy),
    ...checkChildren(name, spec, existing),
    ...Object.entries(spec.states).flatMap(([name, state]) =>
      checkStateReferences(`spec.states[${name}]`, state, policy, existing),
    ),
  ];
}

/** Workflows that are run as children: each exists, and none of them runs this one again. */
function checkChildren(name: string, spec: WorkflowSpec, existing: Lookups): readonly Finding[] {
  return childWorkflows(spec).flatMap(({ field, workflow }) => {
    const missing = workflowExists(field, workflow, existing);
    if (missing.length > 0) return missing;
    const way = wayTo(name, workflow, existing);
    if (way === undefined) return [];
    const found = `Workflow ${quote(workflow)}, which runs ${way.map(quote).join(', which runs ')} again`;
    return [finding('workflowCycle', field, { found, allowed: 'a Workflow that does not run this one' })];
  });
}

/** The workflows on the way from one to `name`, if there is one. */
function wayTo(name: string, from: string, existing: Lookups): readonly string[] | undefined {
  if (from === name) return [name];
  const before = new Map<string, string>([[from, '']]);
  const open = [from];
  for (let at = open.shift(); at !== undefined; at = open.shift()) {
    const spec = existing.workflow(at);
    for (const { workflow } of spec === undefined ? [] : childWorkflows(spec)) {
      if (before.has(workflow)) continue;
      before.set(workflow, at);
      if (workflow === name) return trail(before, at, [name]);
      open.push(workflow);
    }
  }
  return undefined;
}

function trail(before: ReadonlyMap<string, string>, last: string, end: readonly string[]): readonly string[] {
  const way = [...end];
  for (let at = last; before.get(at) !== ''; at = before.get(at) ?? '') way.unshift(at);
  return way;
}

/** The workflows that a workflow runs as children, with where it says so. */
export function childWorkflows(spec: WorkflowSpec): readonly { readonly field: string; readonly workflow: string }[] {
  return Object.entries(spec.states).flatMap(([name, state]) => [
    ...(state.workflow === undefined ? [] : [{ field: `spec.states[${name}].workflow`, workflow: state.workflow }]),
    ...Object.entries(state.branches ?? {}).flatMap(([branch, { workflow }]) =>
      workflow === undefined ? [] : [{ field: `spec.states[${name}].branches[${branch}].workflow`, workflow }],
    ),
  ]);
}

function checkStateReferences(
  field: string,
  state: WorkflowState,
  policy: EscalationPolicySpec | undefined,
  existing: Lookups,
): readonly Finding[] {
  const agent = state.agent === undefined ? undefined : existing.agent(state.agent);
  const own = agent === undefined ? undefined : policyOf(agent, existing);
  const policies = [own, policy].filter((one) => one !== undefined);
  const backup = state.backup === 'none' ? undefined : state.backup;
  return [
    ...noAgent(`${field}.agent`, state.agent, agent),
    ...(backup === undefined ? [] : noBackup(`${field}.backup`, backup, existing.agent(backup))),
    ...(state.tools ?? []).flatMap((tool, index) => noTool(`${field}.tools[${index}]`, tool, existing.tool(tool))),
    ...queueUnknown(`${field}.queue`, state.queue, policy === undefined ? [] : [policy]),
    ...queueUnknown(`${field}.override`, state.override, policies),
    ...approverUnknown(`${field}.agent`, agent?.permissions ?? [], policies),
  ];
}

/** Whoever must approve a call of the agent is known: a queue of its own policy or of the workflow's. */
function approverUnknown(
  field: string,
  permissions: AgentSpec['permissions'],
  policies: readonly EscalationPolicySpec[],
): readonly Finding[] {
  const known = queueNames(policies);
  return permissions.flatMap(({ tool, mode, approveWhen, queue }) => {
    const asks = mode === 'approve' || approveWhen !== undefined;
    if (!asks || (queue === undefined ? known.length > 0 : known.includes(queue))) return [];
    const whom = queue === undefined ? 'a queue, of which there is none' : `the queue ${quote(queue)}`;
    const what = { found: `an Agent whose permission for ${quote(tool)} asks ${whom}`, allowed: allowedQueues(known) };
    return [finding('queueUnknown', field, what, { reason: 'QueueNotFound' })];
  });
}

function policyOf(
  { escalationPolicyRef }: Pick<WorkflowSpec | AgentSpec, 'escalationPolicyRef'>,
  existing: Lookups,
): EscalationPolicySpec | undefined {
  return escalationPolicyRef === undefined ? undefined : existing.policy(escalationPolicyRef.name);
}

const queueNames = (policies: readonly EscalationPolicySpec[]) =>
  policies.flatMap(({ queues }) => queues.map(({ name }) => name));
const allowedQueues = (known: readonly string[]) =>
  known.length > 0
    ? `the queues ${quoteAll(known)}`
    : 'none, since no escalation policy holds here; set spec.escalationPolicyRef';

/** Without a policy there are no queues, so that every name is unknown. */
function queueUnknown(
  field: string,
  queue: string | undefined,
  policies: readonly EscalationPolicySpec[],
): readonly Finding[] {
  const known = queueNames(policies);
  if (queue === undefined || known.includes(queue)) return [];
  const what = { found: `the queue ${quote(queue)}`, allowed: allowedQueues(known) };
  return [finding('queueUnknown', field, what, { reason: 'QueueNotFound' })];
}
