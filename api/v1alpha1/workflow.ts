import { z } from 'zod';
import {
  anyObject,
  cel,
  type CelRule,
  commonStatus,
  count,
  duration,
  exactlyOne,
  identifier,
  immutable,
  type KindDefinition,
  localRef,
  micros,
  name,
  nameRule,
  onlyWith,
  readyColumns,
  requiredWith,
  tailColumns,
  text,
  validations,
} from '../schema.ts';

export const stateTypes = ['task', 'decision', 'approval', 'wait', 'terminal'] as const;
export type StateType = (typeof stateTypes)[number];

/** How a run can end. `handedOver`: a person or another workflow has the case. */
export const outcomes = ['success', 'refused', 'failed', 'handedOver'] as const;
export type TerminalOutcome = (typeof outcomes)[number];

const requires = (types: readonly StateType[], field: string, meaning: string) =>
  requiredWith('type', types, field, meaning);
const only = (field: string, ...types: readonly StateType[]) => onlyWith(field, 'type', types);

/** `type` must say where the run goes by this exit. */
const requiresExit = (type: StateType, exit: string, otherwise: string): CelRule => ({
  rule: `self.type != '${type}'${otherwise} || (has(self.exits) && has(self.exits.${exit}))`,
  message: `exits.${exit} is required with type ${type}: name the state that is entered then`,
  fieldPath: '.exits',
  reason: 'FieldValueRequired',
});
const onlyExit = (exit: string, ...types: readonly StateType[]): CelRule => ({
  rule: `!has(self.exits) || !has(self.exits.${exit}) || ${types.map((type) => `self.type == '${type}'`).join(' || ')}`,
  message: `exits.${exit} is only allowed with type ${types.join(' or ')}; remove it`,
  messageExpression: `'exits.${exit} is only allowed with type ${types.join(' or ')}, found type ' + self.type + '; remove exits.${exit}'`,
  fieldPath: `.exits.${exit}`,
  reason: 'FieldValueForbidden',
});

const stateRules: readonly CelRule[] = [
  requires(['task'], 'agent', 'the Agent that does it'),
  requires(['task'], 'goal', 'what is to be reached, in a sentence'),
  requires(['task'], 'timeout', 'after it exits.timeout is taken'),
  requires(['task'], 'backup', 'the Agent that takes over, or "none"'),
  requires(['approval'], 'queue', 'the queue of the escalation policy that is asked'),
  requires(['approval'], 'timeout', 'after it exits.expired is taken'),
  requires(['wait'], 'for', 'what ends the wait: {event, by} or {duration}'),
  requires(['terminal'], 'outcome', 'how the run ends'),
  {
    rule: "self.type != 'wait' || !has(self.for) || has(self.for.duration) || has(self.timeout)",
    message: 'timeout is required with type wait and for.event: after it exits.timeout is taken',
    fieldPath: '.timeout',
    reason: 'FieldValueRequired',
  },
  requiresExit('task', 'error', ''),
  requiresExit('task', 'timeout', ''),
  requiresExit('approval', 'rejected', ''),
  requiresExit('approval', 'expired', ''),
  requiresExit('wait', 'timeout', ' || !has(self.for) || has(self.for.duration)'),
  ...['agent', 'goal', 'output', 'tools', 'readOnly', 'retry', 'backup', 'highRisk', 'override'].map((field) =>
    only(field, 'task'),
  ),
  only('queue', 'approval'),
  only('question', 'approval'),
  only('for', 'wait'),
  only('outcome', 'terminal'),
  only('timeout', 'task', 'approval', 'wait'),
  only('exits', 'task', 'decision', 'approval', 'wait'),
  onlyExit('timeout', 'task', 'wait'),
  onlyExit('rejected', 'approval'),
  onlyExit('expired', 'approval'),
  {
    rule: '!has(self.highRisk) || !self.highRisk || has(self.override)',
    message: 'override is required with highRisk: the queue of the escalation policy that approves',
    fieldPath: '.override',
    reason: 'FieldValueRequired',
  },
  {
    rule: '!has(self.backup) || !has(self.agent) || self.backup != self.agent',
    message: 'backup must be another Agent than agent, or "none"',
    messageExpression:
      '\'backup and agent are both "\' + self.agent + \'"; name another Agent as backup, or "none" for no backup route\'',
    fieldPath: '.backup',
  },
];

/** Members per type: task {agent, goal, output, tools, readOnly, timeout, retry, backup, highRisk, override, exits}; decision {}; approval {queue, question, timeout, exits}; wait {for, timeout, exits}; terminal {outcome}. */
export const stateSchema = z
  .object({
    type: z
      .enum(stateTypes)
      .describe(
        'task: an agent works. decision: guards choose. approval: a person is asked. wait: an event or time. terminal: the end.',
      ),
    agent: name().optional().describe('task: the Agent that does it.'),
    goal: text(2048).optional().describe('task: what is to be reached, in a sentence; `${cel}` inside is replaced.'),
    output: anyObject().optional().describe('task: JSON Schema of the result. Its members become facts.'),
    tools: z
      .array(name())
      .max(128)
      .optional()
      .describe('task: narrows the agent’s tools to these.')
      .meta({ 'x-kubernetes-list-type': 'set' }),
    readOnly: z.boolean().optional().describe('task: no call with an effect is allowed.'),
    timeout: duration().optional().describe('task, approval, wait: then the exit `timeout` (approval: `expired`).'),
    retry: z
      .object({
        max: count(20).describe('Retries after the first attempt.'),
        backoff: duration().optional().describe('Before the first retry; doubles. Default 1s.'),
        maxBackoff: duration().optional().describe('Default 60s.'),
      })
      .optional()
      .describe('task: default {max: 2, backoff: 1s}.'),
    backup: z
      .string()
      .max(63)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      .optional()
      .describe('task: the Agent that takes over when the first has used its retries, or `none`.'),
    highRisk: z
      .boolean()
      .optional()
      .describe('task: each call with an effect waits for approval from the queue `override`.'),
    override: name().optional().describe('task: queue that approves when highRisk.'),
    queue: name().optional().describe('approval: the queue that is asked.'),
    question: text(1024).optional().describe('approval: what is asked; `${cel}` inside is replaced.'),
    for: z
      .object({
        event: z
          .string()
          .max(128)
          .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/)
          .optional()
          .describe('A bus event of this subject.'),
        by: cel(256).optional().describe('CEL over input, facts, run: must equal the event’s `key`.'),
        duration: duration().optional().describe('Or simply this long.'),
      })
      .meta(
        validations(exactlyOne('for', 'event', 'duration'), {
          rule: '!has(self.event) || has(self.by)',
          message: 'by is required with for.event: a CEL expression that says which run an event is for',
          fieldPath: '.by',
          reason: 'FieldValueRequired',
        }),
      )
      .optional()
      .describe('wait: what ends it.'),
    outcome: z.enum(outcomes).optional().describe('terminal: how the run ends.'),
    exits: z
      .object({
        error: identifier()
          .optional()
          .describe('The agent, its backup and their retries failed, or a guard failed to evaluate.'),
        timeout: identifier().optional().describe('The time of the state is over.'),
        rejected: identifier().optional().describe('A person said no.'),
        expired: identifier().optional().describe('Nobody answered in time.'),
      })
      .optional()
      .describe('Exits: the state entered on error, timeout, rejection or expiry.'),
  })
  .meta(validations(...stateRules));
export type WorkflowState = z.infer<typeof stateSchema>;

export const transitionSchema = z.object({
  from: identifier().describe('A state.'),
  exit: z
    .enum(['done', 'approved', 'received'])
    .optional()
    .describe('Default: done for task and decision, approved for approval, received for wait.'),
  when: cel()
    .optional()
    .describe('CEL over input, facts, result, run. Absent: otherwise. An error takes exits.error, or fails the run.'),
  to: identifier().describe('A state.'),
});
export type Transition = z.infer<typeof transitionSchema>;

export const triggerSchema = z
  .object({
    http: z
      .object({
        path: z
          .string()
          .max(256)
          .regex(/^\/[A-Za-z0-9_\-/]*$/)
          .describe('Such as /calls.'),
      })
      .optional()
      .describe('POST to this path below /v1/namespaces/NAMESPACE/hooks starts a run.'),
    event: z
      .object({
        subject: z
          .string()
          .max(128)
          .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/)
          .describe('Such as calls.received.'),
      })
      .optional()
      .describe('A bus event of this subject starts a run.'),
  })
  .meta(validations(exactlyOne('a trigger', 'http', 'event')));

export const workflowSpecSchema = z
  .object({
    description: text(1024).optional().describe('What the workflow is for.'),
    input: anyObject().describe('JSON Schema of the input; type object.'),
    key: cel(256)
      .optional()
      .describe('CEL over input: the business key. A second start with the same key is the same run.'),
    triggers: z.array(triggerSchema).max(16).optional().describe('What starts a run, beside people.'),
    escalationPolicyRef: localRef('EscalationPolicy')
      .optional()
      .describe('Rules and queues of its runs. The rules of an Agent’s own policy come first.'),
    budget: z
      .object({ perRunMicros: micros().describe('Micro-units of money.') })
      .optional()
      .describe('Spending beyond it is denied.'),
    timeout: duration().optional().describe('Whole run; then it fails. Default 24h.'),
    start: identifier().describe('The first state.'),
    states: z
      .record(identifier(), stateSchema)
      .meta({ maxProperties: 64, minProperties: 1 })
      .describe('The states by name (letters and digits).'),
    transitions: z
      .array(transitionSchema)
      .min(1)
      .max(256)
      .describe('In order: of those from one state, the first whose guard holds is taken.'),
  })
  .meta(
    validations(
      {
        rule: "self.states.all(s, s.matches('^[A-Za-z][A-Za-z0-9]{0,62}$'))",
        message: 'the name of a state must be a letter followed by at most 62 letters and digits',
        messageExpression:
          "'states must be named by a letter followed by at most 62 letters and digits, found ' + self.states.filter(s, !s.matches('^[A-Za-z][A-Za-z0-9]{0,62}$'))[0]",
        fieldPath: '.states',
      },
      {
        rule: 'self.start in self.states',
        message: 'start must be the name of a state',
        messageExpression: "'start is \"' + self.start + '\"; allowed are the names in states'",
        fieldPath: '.start',
      },
      {
        rule: 'self.transitions.all(t, t.from in self.states && t.to in self.states)',
        message: 'every transition must name existing states in from and to',
        messageExpression:
          "'transitions go ' + self.transitions[self.transitions.map(t, t.from in self.states && t.to in self.states).indexOf(false)].from + ' -> ' + self.transitions[self.transitions.map(t, t.from in self.states && t.to in self.states).indexOf(false)].to + ', but only names in states are allowed'",
        fieldPath: '.transitions',
      },
      {
        rule: "self.states.exists(s, self.states[s].type == 'terminal')",
        message: 'states has none of type terminal; add one, so that a run can end',
        fieldPath: '.states',
      },
    ),
  );

export const workflowStatusSchema = z.object({
  ...commonStatus,
  digest: z.string().max(80).optional().describe('Digest of the spec; runs pin it.'),
  agents: z.array(z.string().max(63)).max(64).optional().describe('The Agents it names.'),
});

export const workflowKind = {
  kind: 'Workflow',
  plural: 'workflows',
  singular: 'workflow',
  shortNames: ['sbw'],
  description: 'An explicit state machine of tasks, decisions, approvals, waits and terminals.',
  spec: workflowSpecSchema,
  status: workflowStatusSchema,
  rules: [nameRule],
  printerColumns: [
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    ...readyColumns,
    { name: 'Digest', type: 'string', jsonPath: '.status.digest', priority: 1 },
    ...tailColumns,
  ],
} as const satisfies KindDefinition;
export type WorkflowSpec = z.infer<typeof workflowSpecSchema>;
export type WorkflowStatus = z.infer<typeof workflowStatusSchema>;

export const workflowRunSpecSchema = z
  .object({
    workflowRef: localRef('Workflow').describe('What is run; pinned by digest when the run starts.'),
    input: anyObject().optional().describe('Must fit the input schema of the Workflow.'),
    key: text(256).optional().describe('Business key; default from the Workflow, else the name of this object.'),
    cancel: z.boolean().optional().describe('Set to true to cancel the run.'),
  })
  .meta(
    validations(
      immutable('workflowRef', 'create a new WorkflowRun'),
      immutable('input', 'create a new WorkflowRun'),
      immutable('key', 'create a new WorkflowRun'),
      {
        rule: '!has(oldSelf.cancel) || !oldSelf.cancel || (has(self.cancel) && self.cancel)',
        message: 'spec.cancel cannot be taken back: create a new WorkflowRun',
        fieldPath: '.cancel',
        reason: 'FieldValueForbidden',
      },
    ),
  );

export const workflowRunStatusSchema = z.object({
  ...commonStatus,
  run: z.string().max(64).optional().describe('Id of the run in the journal.'),
  workflowDigest: z.string().max(80).optional().describe('Digest of the Workflow the run is pinned to.'),
  state: z.string().max(63).optional().describe('The state of the workflow the run is in.'),
  status: z
    .enum(['Running', 'Waiting', 'Frozen', 'Closed'])
    .optional()
    .describe('Waiting: for a person, an event or time.'),
  outcome: z.string().max(32).optional().describe('How it ended.'),
  costMicros: micros().optional().describe('Money spent so far, in micro-units.'),
  effects: z
    .int()
    .min(0)
    .optional()
    .describe('Calls with an effect that were done; a call whose result was returned again counts once.'),
  escalation: z.string().max(63).optional().describe('Name of the open Escalation.'),
  startedAt: z.string().max(64).optional().describe('RFC 3339.'),
  closedAt: z.string().max(64).optional().describe('RFC 3339.'),
});

export const workflowRunKind = {
  kind: 'WorkflowRun',
  plural: 'workflowruns',
  singular: 'workflowrun',
  shortNames: ['sbr'],
  description: 'A run started, or looked at, by kubectl.',
  spec: workflowRunSpecSchema,
  status: workflowRunStatusSchema,
  rules: [nameRule],
  printerColumns: [
    { name: 'Workflow', type: 'string', jsonPath: '.spec.workflowRef.name' },
    { name: 'Status', type: 'string', jsonPath: '.status.status' },
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'Outcome', type: 'string', jsonPath: '.status.outcome' },
    { name: 'Escalation', type: 'string', jsonPath: '.status.escalation' },
    ...tailColumns,
  ],
} as const satisfies KindDefinition;
export type WorkflowRunSpec = z.infer<typeof workflowRunSpecSchema>;
export type WorkflowRunStatus = z.infer<typeof workflowRunStatusSchema>;
