import { z } from 'zod';
import {
  anyObject,
  cel,
  commonStatus,
  count,
  duration,
  identifier,
  type KindDefinition,
  localRef,
  micros,
  name,
  nameRule,
  readyColumns,
  tailColumns,
  text,
  validations,
} from '../schema.ts';

export const stateTypes = ['task', 'decision', 'approval', 'wait', 'terminal'] as const;
export type StateType = (typeof stateTypes)[number];

/** How a run can end. `handedOver`: a person or another workflow has the case. */
export const outcomes = ['success', 'refused', 'failed', 'handedOver'] as const;
export type TerminalOutcome = (typeof outcomes)[number];

const requires = (type: string, field: string) => ({
  rule: `self.type != '${type}' || has(self.${field})`,
  message: `type ${type} requires ${field}`,
});
const only = (field: string, ...types: readonly string[]) => ({
  rule: `!has(self.${field}) || ${types.map((type) => `self.type == '${type}'`).join(' || ')}`,
  message: `${field} is only allowed with type ${types.join(' or ')}`,
});

/** Members per type: task {agent, goal, output, tools, readOnly, timeout, retry, backup, highRisk, override, on}; decision {}; approval {queue, question, timeout, on}; wait {for, timeout, on}; terminal {outcome}. */
export const stateSchema = z
  .object({
    type: z.enum(stateTypes),
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
        validations(
          { rule: 'has(self.event) != has(self.duration)', message: 'for must have exactly one of: event, duration' },
          {
            rule: '!has(self.event) || has(self.by)',
            message: 'for.by is required with for.event: say which run an event is for',
          },
        ),
      )
      .optional(),
    outcome: z.enum(outcomes).optional().describe('terminal: how the run ends.'),
    on: z
      .object({
        error: identifier().optional(),
        timeout: identifier().optional(),
        rejected: identifier().optional(),
        expired: identifier().optional(),
      })
      .optional()
      .describe('Exits: the state entered on error, timeout, rejection or expiry.'),
  })
  .meta(
    validations(
      requires('task', 'agent'),
      requires('task', 'goal'),
      requires('task', 'timeout'),
      requires('task', 'backup'),
      requires('approval', 'queue'),
      requires('approval', 'timeout'),
      requires('wait', 'for'),
      requires('wait', 'timeout'),
      requires('terminal', 'outcome'),
      only('agent', 'task'),
      only('queue', 'approval'),
      only('for', 'wait'),
      only('outcome', 'terminal'),
      {
        rule: "self.type != 'task' || (has(self.on) && has(self.on.error) && has(self.on.timeout))",
        message: 'type task requires the exits on.error and on.timeout',
      },
      {
        rule: "self.type != 'approval' || (has(self.on) && has(self.on.rejected) && has(self.on.expired))",
        message: 'type approval requires the exits on.rejected and on.expired',
      },
      {
        rule: "self.type != 'wait' || (has(self.on) && has(self.on.timeout))",
        message: 'type wait requires the exit on.timeout',
      },
      {
        rule: '!has(self.highRisk) || !self.highRisk || has(self.override)',
        message: 'highRisk requires override: the queue that approves',
      },
      {
        rule: '!has(self.backup) || !has(self.agent) || self.backup != self.agent',
        message: 'backup must be another Agent than agent, or "none"',
      },
    ),
  );
export type WorkflowState = z.infer<typeof stateSchema>;

export const transitionSchema = z.object({
  from: identifier(),
  on: z
    .enum(['done', 'approved', 'received'])
    .optional()
    .describe('Default: done for task and decision, approved for approval, received for wait.'),
  when: cel()
    .optional()
    .describe(
      'CEL over input, facts, result, run. Absent: otherwise. An error takes the exit on.error, or fails the run.',
    ),
  to: identifier(),
});
export type Transition = z.infer<typeof transitionSchema>;

export const triggerSchema = z
  .object({
    http: z
      .object({
        path: z
          .string()
          .max(256)
          .regex(/^\/[A-Za-z0-9_\-/]*$/),
      })
      .optional()
      .describe('POST to this path below /v1/namespaces/NAMESPACE/hooks starts a run.'),
    event: z
      .object({
        subject: z
          .string()
          .max(128)
          .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/),
      })
      .optional()
      .describe('A bus event of this subject starts a run.'),
  })
  .meta(
    validations({
      rule: 'has(self.http) != has(self.event)',
      message: 'a trigger must have exactly one of: http, event',
    }),
  );

export const workflowSpecSchema = z
  .object({
    description: text(1024).optional(),
    input: anyObject().describe('JSON Schema of the input; type object.'),
    key: cel(256)
      .optional()
      .describe('CEL over input: the business key. A second start with the same key is the same run.'),
    triggers: z.array(triggerSchema).max(16).optional(),
    escalationPolicyRef: localRef('EscalationPolicy').optional(),
    budget: z.object({ perRunMicros: micros() }).optional(),
    timeout: duration().optional().describe('Whole run; then it fails. Default 24h.'),
    start: identifier(),
    states: z.record(identifier(), stateSchema).meta({ maxProperties: 64, minProperties: 1 }),
    transitions: z.array(transitionSchema).min(1).max(256),
  })
  .meta(
    validations(
      { rule: 'self.start in self.states', message: 'start must be the name of a state' },
      {
        rule: 'self.transitions.all(t, t.from in self.states && t.to in self.states)',
        message: 'every transition must name existing states in from and to',
      },
      {
        rule: "self.states.exists(s, self.states[s].type == 'terminal')",
        message: 'states must have at least one of type terminal',
      },
    ),
  );

export const workflowStatusSchema = z.object({
  ...commonStatus,
  digest: z.string().max(80).optional(),
  agents: z.array(z.string().max(63)).max(64).optional(),
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
    workflowRef: localRef('Workflow'),
    input: anyObject().optional(),
    key: text(256).optional().describe('Business key; default from the Workflow, else the name of this object.'),
    cancel: z.boolean().optional().describe('Set to true to cancel the run.'),
  })
  .meta(
    validations(
      {
        rule: 'self.workflowRef == oldSelf.workflowRef',
        message: 'spec.workflowRef is immutable: create a new WorkflowRun',
      },
      {
        rule: 'has(self.input) == has(oldSelf.input) && (!has(self.input) || self.input == oldSelf.input)',
        message: 'spec.input is immutable: create a new WorkflowRun',
      },
      {
        rule: '!has(oldSelf.cancel) || !oldSelf.cancel || (has(self.cancel) && self.cancel)',
        message: 'spec.cancel cannot be taken back',
      },
    ),
  );

export const workflowRunStatusSchema = z.object({
  ...commonStatus,
  run: z.string().max(64).optional(),
  workflowDigest: z.string().max(80).optional(),
  state: z.string().max(63).optional().describe('The state of the workflow the run is in.'),
  status: z.enum(['Running', 'Waiting', 'Frozen', 'Closed']).optional(),
  outcome: z.string().max(32).optional(),
  costMicros: micros().optional(),
  effects: z.int().min(0).optional(),
  escalation: z.string().max(63).optional().describe('Name of the open Escalation.'),
  startedAt: z.string().max(64).optional(),
  closedAt: z.string().max(64).optional(),
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
