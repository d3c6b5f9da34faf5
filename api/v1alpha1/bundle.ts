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

const prompt = () => z.object({ text: text(32_768).describe('What the model is told.') });

export const verifierRuleSchema = z.object({
  name: name().describe('Shown in the trace and to the executor.'),
  cel: cel().describe('CEL over result, facts, input, calls, run. Must be true; an error is false.'),
  message: text(512).optional().describe('What the executor is told when the rule fails.'),
});

export const bundleSpecSchema = z
  .object({
    agent: name().describe('The Agent this bundle is for.'),
    prompts: z
      .object({
        planner: prompt().optional().describe('Absent: the executor plans as it goes.'),
        executor: prompt().describe('Does the work with tools.'),
        verifier: prompt().optional().describe('Required with verifier.model.'),
      })
      .describe('One prompt per role: each role sees only its own.'),
    models: z
      .object({
        start: name().describe('The Model asked first.'),
        backup: name().optional().describe('The Model asked when the first fails repeatedly.'),
        planner: name().optional().describe('Model of the planner. Default: start.'),
      })
      .describe('Which Model is asked when.'),
    tools: z
      .array(name())
      .max(128)
      .meta({ 'x-kubernetes-list-type': 'set' })
      .describe('Tools, pinned by contract digest in status.'),
    verifier: z
      .object({
        rules: z.array(verifierRuleSchema).max(64).optional().describe('Checks in CEL, all of which must hold.'),
        model: name().optional().describe('A Model that judges each result.'),
      })
      .meta(
        validations({
          rule: '(has(self.rules) && size(self.rules) > 0) || has(self.model)',
          message: 'verifier must have rules, a model, or both: nothing is committed unverified',
        }),
      )
      .describe('What must hold before a result is committed.'),
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
      .meta(
        validations({
          rule: "!has(self.confidenceFloor) || !has(self.confidenceFrom) || self.confidenceFrom != 'none'",
          message: 'confidenceFloor is only allowed when confidenceFrom is logprobs or reported, found none',
          fieldPath: '.confidenceFloor',
          reason: 'FieldValueForbidden',
        }),
      )
      .optional()
      .describe('Limits of one activity.'),
  })
  .meta(
    validations(
      {
        rule: 'self == oldSelf',
        message: 'spec is immutable: create a new Bundle and point spec.bundleRef of the Agent at it',
        reason: 'FieldValueForbidden',
      },
      {
        rule: '!has(self.verifier.model) || has(self.prompts.verifier)',
        message: 'prompts.verifier is required with verifier.model: tell the model how to judge a result',
        fieldPath: '.prompts.verifier',
        reason: 'FieldValueRequired',
      },
      {
        rule: '!has(self.models.backup) || self.models.backup != self.models.start',
        message: 'models.backup must be another Model than models.start',
        messageExpression:
          "'models.backup and models.start are both \"' + self.models.start + '\"; name another Model, or remove backup'",
        fieldPath: '.models.backup',
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
    .array(
      z.object({
        name: z.string().max(63).describe('A Tool.'),
        digest: z.string().max(80).describe('Digest of its contract when the bundle was resolved.'),
      }),
    )
    .max(128)
    .optional()
    .describe('The tools as they were pinned.'),
  provenance: z
    .object({
      key: text(80).describe('Digest of the public key that signed it.'),
      source: text(256).optional().describe('Where its files are.'),
      commit: text(256).optional().describe('Which version of them.'),
    })
    .optional()
    .describe('What the signature says, where the namespace demands one: it was checked before publication.'),
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
