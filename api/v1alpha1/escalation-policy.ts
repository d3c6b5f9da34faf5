import { z } from 'zod';
import {
  commonStatus,
  count,
  duration,
  exactlyOne,
  type KindDefinition,
  name,
  nameRule,
  onlyWith,
  ratio,
  readyColumns,
  requiredWith,
  tailColumns,
  validations,
} from '../schema.ts';

export const signals = [
  'redFlag',
  'lowConfidence',
  'conflictingOutputs',
  'repeatedRetries',
  'abnormalLatency',
  'userFrustration',
  'budget',
  'ambiguousEffect',
  'verifierReject',
  'permissionDenied',
  'loop',
] as const;
export type Signal = (typeof signals)[number];

export const actions = [
  'humanQueue',
  'specialist',
  'fallbackWorkflow',
  'freeze',
  'approval',
  'readOnly',
  'backupRoute',
] as const;
export type EscalationAction = (typeof actions)[number];

const needs = (action: EscalationAction, field: string, meaning: string) =>
  requiredWith('action', [action], field, meaning);
const measuredBy = (signal: Signal, field: string, meaning: string) => requiredWith('signal', [signal], field, meaning);

export const escalationRuleSchema = z
  .object({
    name: name().describe('Named in traces and escalations.'),
    signal: z.enum(signals).describe('What is watched.'),
    below: ratio()
      .optional()
      .describe('lowConfidence: fires when confidence is below it, or missing although the bundle promises one.'),
    above: duration().optional().describe('abnormalLatency: fires when an activity takes longer.'),
    atLeast: count(1000, 1)
      .optional()
      .describe(
        'repeatedRetries, verifierReject, loop, permissionDenied, userFrustration: how many. Default 1 (loop 3).',
      ),
    percent: count(100, 1).optional().describe('budget: share of the run’s budget that is spent. Default 100.'),
    patterns: z
      .array(z.string().min(1).max(256))
      .max(64)
      .optional()
      .describe(
        'redFlag, userFrustration: case-insensitive text (spaces match any white space) looked for in what people and models say.',
      ),
    fields: z
      .array(z.string().min(1).max(128))
      .max(32)
      .optional()
      .describe('conflictingOutputs: fields on which tools must agree.'),
    action: z
      .enum(actions)
      .describe(
        'humanQueue: a person takes over. approval: a person is asked. freeze: nothing moves until thawed. readOnly: reads only from now on. specialist, fallbackWorkflow, backupRoute: another one does it.',
      ),
    queue: name().optional().describe('humanQueue, approval, freeze: who is asked.'),
    workflow: name().optional().describe('fallbackWorkflow: the Workflow that takes over.'),
    agent: name().optional().describe('specialist: the Agent that does the activity instead.'),
    mode: z.enum(['enforce', 'observe']).optional().describe('observe only records. Default enforce.'),
  })
  .meta(
    validations(
      needs('humanQueue', 'queue', 'who is asked'),
      needs('approval', 'queue', 'who is asked'),
      needs('freeze', 'queue', 'who thaws the run'),
      needs('fallbackWorkflow', 'workflow', 'the Workflow that takes over'),
      needs('specialist', 'agent', 'the Agent that does it instead'),
      measuredBy('redFlag', 'patterns', 'what is looked for'),
      measuredBy('userFrustration', 'patterns', 'what is looked for'),
      measuredBy('lowConfidence', 'below', 'the confidence that is too low, such as "0.6"'),
      measuredBy('abnormalLatency', 'above', 'the duration that is too long, such as 20s'),
      measuredBy('conflictingOutputs', 'fields', 'on which fields tools must agree'),
      onlyWith('queue', 'action', ['humanQueue', 'approval', 'freeze']),
      onlyWith('workflow', 'action', ['fallbackWorkflow']),
      onlyWith('agent', 'action', ['specialist']),
      onlyWith('below', 'signal', ['lowConfidence']),
      onlyWith('above', 'signal', ['abnormalLatency']),
      onlyWith('percent', 'signal', ['budget']),
      onlyWith('patterns', 'signal', ['redFlag', 'userFrustration']),
      onlyWith('fields', 'signal', ['conflictingOutputs']),
      onlyWith('atLeast', 'signal', [
        'repeatedRetries',
        'verifierReject',
        'loop',
        'permissionDenied',
        'userFrustration',
      ]),
    ),
  );
export type EscalationRule = z.infer<typeof escalationRuleSchema>;

export const queueSchema = z.object({
  name: name().describe('Named in rules, states and permissions.'),
  description: z.string().max(512).optional().describe('Who stands behind it.'),
  deadline: duration().describe('Time to decide; then onExpiry.'),
  onExpiry: z
    .object({
      next: name().optional().describe('Another queue.'),
      fallbackWorkflow: name().optional().describe('A Workflow that takes over.'),
      reject: z.boolean().optional().describe('true: as if a person had rejected.'),
    })
    .optional()
    .describe('What happens when nobody decides: the next queue, a fallback workflow, or a rejection (the default).')
    .meta(
      validations(exactlyOne('onExpiry', 'next', 'fallbackWorkflow', 'reject'), {
        rule: '!has(self.reject) || self.reject',
        message: 'reject is false; allowed is only true, or leave onExpiry out',
        fieldPath: '.reject',
      }),
    ),
});
export type Queue = z.infer<typeof queueSchema>;

export const escalationPolicySpecSchema = z
  .object({
    rules: z
      .array(escalationRuleSchema)
      .min(1)
      .max(64)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
      .describe('In order of precedence: of the rules that fire at once, the first decides.'),
    queues: z
      .array(queueSchema)
      .min(1)
      .max(32)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
      .describe('The people who can be asked.'),
    onEvaluatorUnavailable: z
      .enum(['approval', 'freeze'])
      .optional()
      .describe('When a rule cannot be evaluated. Default approval.'),
  })
  .meta(
    validations(
      {
        rule: 'self.rules.all(r, !has(r.queue) || self.queues.exists(q, q.name == r.queue))',
        message: 'every rules[].queue must be the name of an entry of queues',
        messageExpression:
          "'rules ask the queue \"' + self.rules[self.rules.map(r, !has(r.queue) || self.queues.exists(q, q.name == r.queue)).indexOf(false)].queue + '\"; allowed are the names in queues'",
        fieldPath: '.rules',
      },
      {
        rule: 'self.queues.all(q, !has(q.onExpiry) || !has(q.onExpiry.next) || self.queues.exists(n, n.name == q.onExpiry.next && n.name != q.name))',
        message: 'every queues[].onExpiry.next must be the name of another entry of queues',
        messageExpression:
          "'queues have onExpiry.next \"' + self.queues[self.queues.map(q, !has(q.onExpiry) || !has(q.onExpiry.next) || self.queues.exists(n, n.name == q.onExpiry.next && n.name != q.name)).indexOf(false)].onExpiry.next + '\"; allowed are the names of other entries of queues'",
        fieldPath: '.queues',
      },
    ),
  );

export const escalationPolicyStatusSchema = z.object({
  ...commonStatus,
  summary: z
    .string()
    .max(4096)
    .optional()
    .describe('One sentence: what makes an agent under this policy escalate, and to whom.'),
});

export const escalationPolicyKind = {
  kind: 'EscalationPolicy',
  plural: 'escalationpolicies',
  singular: 'escalationpolicy',
  shortNames: ['sbep'],
  description: 'What makes an agent stop and ask, and whom.',
  spec: escalationPolicySpecSchema,
  status: escalationPolicyStatusSchema,
  rules: [nameRule],
  printerColumns: [
    ...readyColumns,
    { name: 'Summary', type: 'string', jsonPath: '.status.summary', priority: 1 },
    ...tailColumns,
  ],
} as const satisfies KindDefinition;
export type EscalationPolicySpec = z.infer<typeof escalationPolicySpecSchema>;
export type EscalationPolicyStatus = z.infer<typeof escalationPolicyStatusSchema>;
