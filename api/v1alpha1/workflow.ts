import { z } from 'zod';
import {
  anyObject,
  cel,
  commonStatus,
  duration,
  exactlyOne,
  identifier,
  immutable,
  type KindDefinition,
  localRef,
  micros,
  nameRule,
  readyColumns,
  tailColumns,
  text,
  validations,
} from '../schema.ts';
import { stateSchema } from './workflow-state.ts';
import { attributeTypes } from '../messages/incoming.ts';
import { priorities } from '../messages/priority.ts';
import { scheduleSchema } from './schedule.ts';
import { scheduleStatusSchema } from './schedule-status.ts';

export const transitionSchema = z.object({
  from: identifier().describe('A state.'),
  exit: z
    .enum(['done', 'approved', 'received'])
    .optional()
    .describe('Default: approved for approval, received for wait, done for every other.'),
  when: cel()
    .optional()
    .describe('CEL over input, facts, result, run. Absent: otherwise. An error takes exits.error, or fails the run.'),
  to: identifier().describe('A state.'),
});
export type Transition = z.infer<typeof transitionSchema>;

const triggersMax = 16;

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
    schedule: scheduleSchema.optional().describe('Runs start by the clock.'),
  })
  .meta(validations(exactlyOne('a trigger', 'http', 'event', 'schedule')));

const signalSchema = z.object({
  description: text(512).optional().describe('What it says.'),
  schema: anyObject().optional().describe('JSON Schema of its data; type object.'),
});

const attributeSchema = z.object({
  value: cel(256).describe('CEL over input, facts, run; evaluated whenever a state is entered.'),
  type: z.enum(attributeTypes).describe('A value of another type counts as absent. time: RFC 3339 text.'),
});

export const workflowSpecSchema = z
  .object({
    description: text(1024).optional().describe('What the workflow is for.'),
    input: anyObject().describe('JSON Schema of the input; type object.'),
    key: cel(256)
      .optional()
      .describe('CEL over input: the business key. A second start with the same key is the same run.'),
    triggers: z.array(triggerSchema).max(triggersMax).optional().describe('What starts a run, beside people.'),
    priority: z
      .enum(priorities)
      .optional()
      .describe('Of its tasks among those of an agent; a start may say another. Default normal.'),
    signals: z
      .record(identifier(), signalSchema)
      .meta({ maxProperties: 64 })
      .optional()
      .describe('What the signals are that states wait for. One that is not here may carry anything.'),
    attributes: z
      .record(identifier(), attributeSchema)
      .meta({ maxProperties: 16 })
      .optional()
      .describe('What its runs are found by: `signalbox runs --where`.'),
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
  schedules: z
    .array(scheduleStatusSchema)
    .max(triggersMax)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .describe('Where each schedule stands, as the engine that looks after it has written down.'),
});

export const workflowKind = {
  kind: 'Workflow',
  plural: 'workflows',
  singular: 'workflow',
  shortNames: ['sbw'],
  description:
    'An explicit state machine of tasks, decisions, approvals, waits, branches, other workflows, compensations and terminals.',
  spec: workflowSpecSchema,
  status: workflowStatusSchema,
  rules: [nameRule],
  printerColumns: [
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    ...readyColumns,
    { name: 'Schedule', type: 'string', jsonPath: '.status.schedules[*].state' },
    { name: 'Next', type: 'string', jsonPath: '.status.schedules[*].next' },
    { name: 'Last', type: 'string', jsonPath: '.status.schedules[*].last', priority: 1 },
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
    key: text(256)
      .optional()
      .describe('Business key. Default: from the Workflow, else none, and the object is a run of its own.'),
    priority: z.enum(priorities).optional().describe('Instead of that of the Workflow.'),
    startAt: z
      .string()
      .max(40)
      .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/)
      .optional()
      .describe('RFC 3339: nothing happens before; at most 366 days ahead.'),
    cancel: z.boolean().optional().describe('Set to true to cancel the run.'),
    suspend: z
      .boolean()
      .optional()
      .describe(
        'true: the run is frozen, or not started yet; false: it goes on. Time in which it is frozen does not count.',
      ),
  })
  .meta(
    validations(
      immutable('workflowRef', 'create a new WorkflowRun'),
      immutable('input', 'create a new WorkflowRun'),
      immutable('key', 'create a new WorkflowRun'),
      immutable('priority', 'create a new WorkflowRun'),
      immutable('startAt', 'create a new WorkflowRun'),
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
