import { z } from 'zod';
import {
  commonStatus,
  count,
  duration,
  type KindDefinition,
  name,
  nameRule,
  ratio,
  readyColumns,
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

const needs = (action: string, field: string) => ({
  rule: `self.action != '${action}' || has(self.${field})`,
  message: `action ${action} requires ${field}`,
});

export const escalationRuleSchema = z
  .object({
    name: name(),
    signal: z.enum(signals),
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
    action: z.enum(actions),
    queue: name().optional().describe('humanQueue, approval, freeze, readOnly: who is asked.'),
    workflow: name().optional().describe('fallbackWorkflow: the Workflow that takes over.'),
    agent: name().optional().describe('specialist: the Agent that does the activity instead.'),
    mode: z.enum(['enforce', 'observe']).optional().describe('observe only records. Default enforce.'),
  })
  .meta(
    validations(
      needs('humanQueue', 'queue'),
      needs('approval', 'queue'),
      needs('freeze', 'queue'),
      needs('fallbackWorkflow', 'workflow'),
      needs('specialist', 'agent'),
      { rule: "self.signal != 'redFlag' || has(self.patterns)", message: 'signal redFlag requires patterns' },
      {
        rule: "self.signal != 'userFrustration' || has(self.patterns)",
        message: 'signal userFrustration requires patterns',
      },
      { rule: "self.signal != 'lowConfidence' || has(self.below)", message: 'signal lowConfidence requires below' },
      { rule: "self.signal != 'abnormalLatency' || has(self.above)", message: 'signal abnormalLatency requires above' },
      {
        rule: "self.signal != 'conflictingOutputs' || has(self.fields)",
        message: 'signal conflictingOutputs requires fields',
      },
    ),
  );
export type EscalationRule = z.infer<typeof escalationRuleSchema>;

export const queueSchema = z.object({
  name: name(),
  description: z.string().max(512).optional(),
  deadline: duration().describe('Time to decide; then onExpiry.'),
  onExpiry: z
    .object({ next: name().optional(), fallbackWorkflow: name().optional(), reject: z.boolean().optional() })
    .optional()
    .describe('What happens when nobody decides: the next queue, a fallback workflow, or a rejection (the default).')
    .meta(
      validations({
        rule: '[has(self.next), has(self.fallbackWorkflow), has(self.reject)].filter(x, x).size() == 1',
        message: 'onExpiry must have exactly one of: next, fallbackWorkflow, reject',
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
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] }),
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
      },
      {
        rule: 'self.queues.all(q, !has(q.onExpiry) || !has(q.onExpiry.next) || self.queues.exists(n, n.name == q.onExpiry.next && n.name != q.name))',
        message: 'every queues[].onExpiry.next must be the name of another entry of queues',
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
  printerColumns: [...readyColumns, { name: 'Summary', type: 'string', jsonPath: '.status.summary' }, ...tailColumns],
} as const satisfies KindDefinition;
export type EscalationPolicySpec = z.infer<typeof escalationPolicySpecSchema>;
export type EscalationPolicyStatus = z.infer<typeof escalationPolicyStatusSchema>;
