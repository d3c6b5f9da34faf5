import { z } from 'zod';
import {
  anyObject,
  commonStatus,
  type KindDefinition,
  localRef,
  micros,
  name,
  nameRule,
  tailColumns,
  text,
  validations,
} from '../schema.ts';
import { actions, signals } from './escalation-policy.ts';

/** What a person may answer. */
export const decisionOptions = ['approve', 'reject'] as const;
export type DecisionOption = (typeof decisionOptions)[number];

/** Why people are asked, beside a rule's signal: a compensation failed, or one state of a run made too many events. */
export const escalationSignals = [
  ...signals,
  'approval',
  'compensation',
  'history',
  'unknownVersion',
  'deadLetter',
] as const;
export type EscalationSignal = (typeof escalationSignals)[number];

export const escalationSpecSchema = z
  .object({
    id: text(128).describe('Identity in the journal: run and position.'),
    run: text(64).describe('Id of the run.'),
    workflow: name().describe('The Workflow of the run.'),
    state: text(63).describe('The state the run is in.'),
    agent: z.string().max(63).optional().describe('The Agent whose work raised it.'),
    rule: z
      .string()
      .max(63)
      .optional()
      .describe('The rule of the policy that fired; absent when a state or a permission asks.'),
    signal: z
      .enum(escalationSignals)
      .describe(
        'Why: a signal; `approval`: a workflow or a permission asks; `compensation`: one failed; `history`: a state made too many events; `unknownVersion`: only a newer engine can go on; `deadLetter`: something was given up.',
      ),
    action: z.enum(actions).describe('What the policy does about it.'),
    queue: name().describe('Who is asked first; `status.queue` says who is asked now.'),
    question: text(2048).describe('What the person is asked, in a sentence.'),
    evidence: z.array(z.string().max(2048)).max(32).optional().describe('What led to it, one fact each.'),
    proposal: z
      .object({ tool: z.string().max(63).describe('The Tool.'), args: anyObject().describe('Its arguments.') })
      .optional()
      .describe('Exactly what would be done on approval.'),
    digest: text(80).describe('Digest of exactly what would be done; a Decision binds to it.'),
    requestedBy: z.string().max(256).optional().describe('Who started the run; may not decide.'),
    costMicros: micros().optional().describe('Spent by the run until then, in micro-units.'),
    openedAt: text(64).describe('RFC 3339.'),
    deadline: text(64).describe(
      'RFC 3339; then onExpiry of the queue. `status.deadline` holds after the question moved on.',
    ),
  })
  .meta(
    validations({
      rule: 'self == oldSelf',
      message: 'spec is immutable: it is what people were asked; only the operator makes escalations',
      reason: 'FieldValueForbidden',
    }),
  );

export const escalationStatusSchema = z.object({
  ...commonStatus,
  state: z
    .enum(['Open', 'Decided', 'Expired', 'Closed'])
    .optional()
    .describe('Closed: the run ended before an answer.'),
  queue: name().optional().describe('Who is asked now.'),
  deadline: z.string().max(64).optional().describe('RFC 3339: until when that queue may answer.'),
  option: z.enum(decisionOptions).optional().describe('The answer.'),
  decidedBy: z.string().max(256).optional().describe('Whose answer it is.'),
  reason: z.string().max(2048).optional().describe('Why.'),
  decidedAt: z.string().max(64).optional().describe('RFC 3339.'),
});

export const escalationKind = {
  kind: 'Escalation',
  plural: 'escalations',
  singular: 'escalation',
  shortNames: ['sbe'],
  description: 'One open question to people, made by the operator from the journal.',
  spec: escalationSpecSchema,
  status: escalationStatusSchema,
  rules: [nameRule],
  printerColumns: [
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'Queue', type: 'string', jsonPath: '.status.queue' },
    { name: 'Signal', type: 'string', jsonPath: '.spec.signal' },
    { name: 'Run', type: 'string', jsonPath: '.spec.run' },
    { name: 'Deadline', type: 'string', jsonPath: '.status.deadline' },
    { name: 'Question', type: 'string', jsonPath: '.spec.question', priority: 1 },
    ...tailColumns,
  ],
} as const satisfies KindDefinition;
export type EscalationSpec = z.infer<typeof escalationSpecSchema>;
export type EscalationStatus = z.infer<typeof escalationStatusSchema>;

export const decisionSpecSchema = z
  .object({
    escalationRef: localRef('Escalation').describe('What is answered.'),
    queue: name().describe(
      'The queue the question is in (status.queue). Admission asks whether you may `decide` in it.',
    ),
    option: z.enum(decisionOptions).describe('The answer.'),
    reason: text(2048).describe('Why; kept in the journal.'),
    digest: text(80).describe('The digest of the Escalation that was read: an answer to anything else is refused.'),
    decidedBy: text(256).describe('The author’s user name; admission compares it with the authenticated user.'),
  })
  .meta(
    validations({
      rule: 'self == oldSelf',
      message: 'spec is immutable: a decision is made once',
      reason: 'FieldValueForbidden',
    }),
  );

export const decisionStatusSchema = z.object({
  ...commonStatus,
  state: z.enum(['Accepted', 'Refused']).optional().describe('Whether it was consumed.'),
  message: z.string().max(2048).optional().describe('Why it was refused.'),
});

export const decisionKind = {
  kind: 'Decision',
  plural: 'decisions',
  singular: 'decision',
  shortNames: ['sbd'],
  description: 'A person’s answer to one Escalation, made with their own credentials and consumed once.',
  spec: decisionSpecSchema,
  status: decisionStatusSchema,
  rules: [nameRule],
  printerColumns: [
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'Option', type: 'string', jsonPath: '.spec.option' },
    { name: 'Escalation', type: 'string', jsonPath: '.spec.escalationRef.name' },
    { name: 'By', type: 'string', jsonPath: '.spec.decidedBy' },
    { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
    ...tailColumns.slice(0, 1),
  ],
} as const satisfies KindDefinition;
export type DecisionSpec = z.infer<typeof decisionSpecSchema>;
export type DecisionStatus = z.infer<typeof decisionStatusSchema>;
