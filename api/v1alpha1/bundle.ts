import { z } from 'zod';
import {
  cel,
  commonStatus,
  count,
  type KindDefinition,
  micros,
  name,
  nameRule,
  ratio,
  readyColumns,
  tailColumns,
  text,
  validations,
} from '../schema.ts';

const prompt = () => z.object({ text: text(32_768) });

export const verifierRuleSchema = z.object({
  name: name(),
  cel: cel().describe('CEL over result, facts, input, calls, run. Must be true; an error is false.'),
  message: text(512).optional().describe('What the executor is told when the rule fails.'),
});

export const bundleSpecSchema = z
  .object({
    agent: name().describe('The Agent this bundle is for.'),
    prompts: z.object({
      planner: prompt().optional().describe('Absent: the executor plans as it goes.'),
      executor: prompt(),
      verifier: prompt().optional().describe('Required with verifier.model.'),
    }),
    models: z.object({
      start: name().describe('The Model asked first.'),
      backup: name().optional().describe('The Model asked when the first fails repeatedly.'),
      planner: name().optional().describe('Model of the planner. Default: start.'),
    }),
    tools: z
      .array(name())
      .max(128)
      .meta({ 'x-kubernetes-list-type': 'set' })
      .describe('Tools, pinned by contract digest in status.'),
    verifier: z
      .object({
        rules: z.array(verifierRuleSchema).max(64).optional(),
        model: name().optional().describe('A Model that judges each result.'),
      })
      .meta(
        validations({
          rule: 'has(self.rules) && size(self.rules) > 0 || has(self.model)',
          message: 'verifier must have rules, a model, or both: nothing is committed unverified',
        }),
      ),
    policy: z
      .object({
        confidenceFloor: ratio()
          .optional()
          .describe('Below it the lowConfidence signal fires even without a rule threshold.'),
        confidenceFrom: z
          .enum(['logprobs', 'reported', 'none'])
          .optional()
          .describe('Where confidence comes from. Default reported.'),
        maxTurns: count(64, 1).optional().describe('Model calls of one activity. Default 16.'),
        maxRepairs: count(8).optional().describe('Repairs after a verifier’s rejection. Default 2.'),
        costLimitMicros: micros().optional().describe('Of one activity.'),
      })
      .optional(),
  })
  .meta(
    validations(
      { rule: 'self == oldSelf', message: 'spec is immutable: create a new Bundle and point the Agent at it' },
      {
        rule: '!has(self.verifier.model) || has(self.prompts.verifier)',
        message: 'spec.prompts.verifier is required with spec.verifier.model',
      },
      {
        rule: '!has(self.models.backup) || self.models.backup != self.models.start',
        message: 'spec.models.backup must differ from spec.models.start',
      },
    ),
  );

export const bundleStatusSchema = z.object({
  ...commonStatus,
  digest: z
    .string()
    .max(80)
    .optional()
    .describe('sha256: of the canonical JSON of the resolved content; the identity of the bundle.'),
  tools: z
    .array(z.object({ name: z.string().max(63), digest: z.string().max(80) }))
    .max(128)
    .optional(),
});

export const bundleKind = {
  kind: 'Bundle',
  plural: 'bundles',
  singular: 'bundle',
  shortNames: ['sbb'],
  description:
    'An immutable release of an agent: prompts, models, tool contracts, verifier and policy, identified by digest.',
  spec: bundleSpecSchema,
  status: bundleStatusSchema,
  rules: [nameRule],
  printerColumns: [
    ...readyColumns,
    { name: 'Agent', type: 'string', jsonPath: '.spec.agent' },
    { name: 'Digest', type: 'string', jsonPath: '.status.digest', priority: 1 },
    ...tailColumns,
  ],
} as const satisfies KindDefinition;
export type BundleSpec = z.infer<typeof bundleSpecSchema>;
export type BundleStatus = z.infer<typeof bundleStatusSchema>;
export type VerifierRule = z.infer<typeof verifierRuleSchema>;
