// Owns: the states of a Workflow: types, members, and the rules of which goes with which.
import { z } from 'zod';
import {
  anyObject,
  cel,
  type CelRule,
  count,
  duration,
  exactlyOne,
  identifier,
  name,
  onlyWith,
  requiredWith,
  text,
  validations,
} from '../schema.ts';

export const stateTypes = [
  'task',
  'decision',
  'approval',
  'wait',
  'parallel',
  'workflow',
  'compensation',
  'terminal',
] as const;
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

export const joins = ['all', 'any', 'quorum'] as const;
/** Visits of a state where it says nothing: enough for a loop with people or agents in it, too few to ruin anybody. */
export const maxVisitsDefault = 1_000;
const branchesMax = 16;

const stateRules: readonly CelRule[] = [
  requires(['task', 'compensation'], 'agent', 'the Agent that does it'),
  requires(['task', 'compensation'], 'goal', 'what is to be reached, in a sentence'),
  requires(['task', 'parallel', 'workflow'], 'timeout', 'after it exits.timeout is taken'),
  requires(['compensation'], 'timeout', 'after it a person is asked'),
  requires(['task', 'compensation'], 'backup', 'the Agent that takes over, or "none"'),
  requires(['parallel'], 'branches', 'the runs that are started, by name'),
  requires(['workflow'], 'workflow', 'the Workflow that is run'),
  requires(['approval'], 'queue', 'the queue of the escalation policy that is asked'),
  requires(['approval'], 'timeout', 'after it exits.expired is taken'),
  requires(['wait'], 'for', 'what ends the wait: {event, by}, {signal} or {duration}'),
  requires(['terminal'], 'outcome', 'how the run ends'),
  {
    rule: "self.type != 'wait' || !has(self.for) || has(self.for.duration) || has(self.timeout)",
    message: 'timeout is required with type wait and for.event or for.signal: after it exits.timeout is taken',
    fieldPath: '.timeout',
    reason: 'FieldValueRequired',
  },
  ...(['task', 'parallel', 'workflow'] as const).flatMap((type) => [
    requiresExit(type, 'error', ''),
    requiresExit(type, 'timeout', ''),
  ]),
  requiresExit('approval', 'rejected', ''),
  requiresExit('approval', 'expired', ''),
  requiresExit('wait', 'timeout', ' || !has(self.for) || has(self.for.duration)'),
  ...['agent', 'goal', 'output', 'tools', 'retry', 'backup', 'highRisk', 'override'].map((field) =>
    only(field, 'task', 'compensation'),
  ),
  only('readOnly', 'task'),
  only('compensation', 'task', 'workflow'),
  only('branches', 'parallel'),
  only('join', 'parallel'),
  only('workflow', 'workflow'),
  only('input', 'workflow'),
  only('compensate', 'terminal'),
  {
    rule: "(has(self.join) && self.join == 'quorum') == has(self.quorum)",
    message: 'quorum goes with join quorum, and only with it: how many branches must succeed',
    fieldPath: '.quorum',
    reason: 'FieldValueRequired',
  },
  {
    rule: '!has(self.quorum) || !has(self.branches) || self.quorum <= size(self.branches)',
    message: 'quorum must be at most the number of branches',
    fieldPath: '.quorum',
  },
  only('queue', 'approval'),
  only('question', 'approval'),
  only('for', 'wait'),
  only('outcome', 'terminal'),
  only('timeout', 'task', 'approval', 'wait', 'parallel', 'workflow', 'compensation'),
  only('exits', 'task', 'decision', 'approval', 'wait', 'parallel', 'workflow'),
  only('maxVisits', 'task', 'decision', 'approval', 'wait', 'parallel', 'workflow'),
  onlyExit('timeout', 'task', 'wait', 'parallel', 'workflow'),
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

const branchSchema = z
  .object({
    start: identifier()
      .optional()
      .describe('A state of this workflow: the branch runs from there to a terminal state.'),
    workflow: name().optional().describe('Or another Workflow, run as a whole.'),
    input: anyObject()
      .optional()
      .describe('workflow: its input; `${cel}` inside is replaced. Default: the input of this run.'),
  })
  .meta(
    validations(exactlyOne('a branch', 'start', 'workflow'), {
      rule: '!has(self.input) || has(self.workflow)',
      message: 'input is only allowed with workflow: a branch of this workflow has the input and facts of its run',
      fieldPath: '.input',
      reason: 'FieldValueForbidden',
    }),
  );

/**
 * Members per type: task {agent, goal, output, tools, readOnly, timeout, retry, backup, highRisk, override, compensation,
 * exits}; compensation: those of a task without readOnly and exits; decision {}; approval {queue, question, timeout, exits};
 * wait {for, timeout, exits}; parallel {branches, join, quorum, timeout, exits}; workflow {workflow, input, timeout,
 * compensation, exits}; terminal {outcome, compensate}. All that can be left: maxVisits, exits.exhausted.
 */
export const stateSchema = z
  .object({
    type: z
      .enum(stateTypes)
      .describe(
        'task: an agent works. decision: guards choose. approval: a person is asked. wait: an event or time. parallel: branches run at the same time. workflow: another Workflow is run. compensation: undoes a task. terminal: the end.',
      ),
    agent: name().optional().describe('task, compensation: the Agent that does it.'),
    goal: text(2048).optional().describe('task: what is to be reached, in a sentence; `${cel}` inside is replaced.'),
    output: anyObject().optional().describe('task: JSON Schema of the result. Its members become facts.'),
    tools: z
      .array(name())
      .max(128)
      .optional()
      .describe('task: narrows the agent’s tools to these.')
      .meta({ 'x-kubernetes-list-type': 'set' }),
    readOnly: z.boolean().optional().describe('task: no call with an effect is allowed.'),
    timeout: duration()
      .optional()
      .describe(
        'How long the state may last; then the exit `timeout` (approval: `expired`; compensation: a person is asked).',
      ),
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
    compensation: identifier()
      .optional()
      .describe(
        'task, workflow: the state of type compensation that undoes it, when the run is cancelled, times out, fails without an exit, or ends in a terminal state with `compensate`.',
      ),
    branches: z
      .record(identifier(), branchSchema)
      .meta({ maxProperties: branchesMax, minProperties: 1 })
      .optional()
      .describe('parallel: the branches by name. Each becomes a fact: {outcome, run, result, message}.'),
    join: z
      .enum(joins)
      .optional()
      .describe(
        'parallel: which branches must succeed: all (default), any one, or as many as `quorum`. Once that is settled, the others are cancelled.',
      ),
    quorum: count(branchesMax, 1).optional().describe('parallel: how many branches must succeed, with join quorum.'),
    workflow: name().optional().describe('workflow: the Workflow that is run as a child of this run.'),
    input: anyObject()
      .optional()
      .describe('workflow: the input of the child; `${cel}` inside is replaced. Default: the input of this run.'),
    maxVisits: count(1_000_000, 1)
      .optional()
      .describe(
        `How often the state may be entered in one run; then exits.exhausted, or the run fails. Default ${maxVisitsDefault}.`,
      ),
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
        lookBack: duration()
          .optional()
          .describe(
            'event: one that came before the state was entered counts too, up to this long before. Default: since the run began; kept for 24h at most.',
          ),
        signal: identifier()
          .optional()
          .describe('A signal of this name, sent to the run; one that came before counts.'),
        duration: duration().optional().describe('Or simply this long.'),
      })
      .meta(
        validations(
          exactlyOne('for', 'event', 'signal', 'duration'),
          {
            rule: '!has(self.lookBack) || has(self.event)',
            message: 'lookBack is only allowed with for.event: signals are kept until they are taken; remove it',
            fieldPath: '.lookBack',
            reason: 'FieldValueForbidden',
          },
          {
            rule: '!has(self.event) || has(self.by)',
            message: 'by is required with for.event: a CEL expression that says which run an event is for',
            fieldPath: '.by',
            reason: 'FieldValueRequired',
          },
        ),
      )
      .optional()
      .describe('wait: what ends it.'),
    outcome: z.enum(outcomes).optional().describe('terminal: how the run ends.'),
    compensate: z
      .boolean()
      .optional()
      .describe('terminal: before the run is closed, the tasks it has done are undone by their compensations.'),
    exits: z
      .object({
        error: identifier()
          .optional()
          .describe(
            'The agent, its backup and their retries failed, too few branches or the child did not succeed, or a guard failed to evaluate.',
          ),
        timeout: identifier().optional().describe('The time of the state is over.'),
        rejected: identifier().optional().describe('A person said no.'),
        expired: identifier().optional().describe('Nobody answered in time.'),
        exhausted: identifier().optional().describe('The state was entered `maxVisits` times before.'),
      })
      .optional()
      .describe('Exits: the state entered on error, timeout, rejection, expiry or exhaustion.'),
  })
  .meta(validations(...stateRules));
export type WorkflowState = z.infer<typeof stateSchema>;
