import { z } from 'zod';
import { servedRelease } from './release.ts';
import {
  cel,
  commonStatus,
  count,
  type KindDefinition,
  localRef,
  micros,
  name,
  nameRule,
  onlyWith,
  readyColumns,
  tailColumns,
  text,
  validations,
} from '../schema.ts';

export const permissionModes = ['read', 'write', 'approve', 'recommendOnly'] as const;
export type PermissionMode = (typeof permissionModes)[number];

export const permissionSchema = z
  .object({
    tool: name().describe('A Tool.'),
    mode: z
      .enum(permissionModes)
      .describe(
        'read: only tools without effect. write: may act. approve: each act waits for a person. recommendOnly: proposed, never done.',
      ),
    approveWhen: cel()
      .optional()
      .describe(
        'CEL over args, input, facts, run: when true, or when it fails to evaluate, the call waits for approval. Only with mode write.',
      ),
    queue: name().optional().describe('Queue that approves. Default: the first queue of the escalation policy.'),
  })
  .meta(
    validations(onlyWith('approveWhen', 'mode', ['write']), {
      rule: "!has(self.queue) || self.mode == 'approve' || has(self.approveWhen)",
      message: 'queue is only allowed with mode approve, or with approveWhen; remove it',
      messageExpression:
        "'queue is only allowed with mode approve, or with approveWhen, found mode ' + self.mode + ' without approveWhen; remove queue'",
      fieldPath: '.queue',
      reason: 'FieldValueForbidden',
    }),
  );
export type Permission = z.infer<typeof permissionSchema>;

export const agentSpecSchema = z.object({
  role: text(1024).describe('What the agent is for and what it must never do, in a sentence.'),
  bundleRef: localRef('Bundle').describe('The Bundle in use; it must be for this Agent.'),
  permissions: z
    .array(permissionSchema)
    .max(128)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['tool'] })
    .describe('The ceiling. What is not listed is denied; a bundle can only narrow it.'),
  escalationPolicyRef: localRef('EscalationPolicy')
    .optional()
    .describe('What makes the agent stop and ask. Default: the policy of the Workflow.'),
  budget: z
    .object({ perDayMicros: micros().describe('Micro-units of money a day (UTC), all runs together.') })
    .optional()
    .describe('Spending beyond it is denied.'),
  release: servedRelease
    .optional()
    .describe('How another bundleRef reaches the runs: by a BundleRollout. Default: every new run has it at once.'),
  scaling: z
    .object({
      replicas: count(100).optional().describe('Worker pods. Default 1.'),
      slotsPerWorker: count(256, 1).optional().describe('Activities a pod runs at once. Default 8.'),
    })
    .optional()
    .describe('How many workers serve the agent.'),
});

export const agentStatusSchema = z.object({
  ...commonStatus,
  bundle: z.string().max(63).optional().describe('The Bundle that new runs get, those of a canary aside.'),
  bundleDigest: z.string().max(80).optional().describe('Its digest.'),
  rollout: z.string().max(63).optional().describe('The BundleRollout that is under way, or the last one.'),
  replicas: z.int().min(0).optional().describe('Worker pods wanted.'),
  readyReplicas: z.int().min(0).optional().describe('Worker pods that are ready.'),
  summary: z.string().max(4096).optional().describe('One sentence: what the agent may do and what makes it escalate.'),
});

export const agentKind = {
  kind: 'Agent',
  plural: 'agents',
  singular: 'agent',
  shortNames: ['sba'],
  description: 'A bounded actor: its role, the ceiling of its permissions, its bundle and its scale.',
  spec: agentSpecSchema,
  status: agentStatusSchema,
  rules: [nameRule],
  printerColumns: [
    ...readyColumns,
    { name: 'Bundle', type: 'string', jsonPath: '.status.bundle' },
    { name: 'Workers', type: 'integer', jsonPath: '.status.readyReplicas' },
    { name: 'Summary', type: 'string', jsonPath: '.status.summary', priority: 1 },
    ...tailColumns,
  ],
} as const satisfies KindDefinition;
export type AgentSpec = z.infer<typeof agentSpecSchema>;
export type AgentStatus = z.infer<typeof agentStatusSchema>;
