import { z } from 'zod';
import {
  anyObject,
  cel,
  commonStatus,
  count,
  duration,
  type KindDefinition,
  micros,
  name,
  nameRule,
  ratio,
  readyColumns,
  secretRef,
  tailColumns,
  text,
  validations,
} from '../schema.ts';

/** One scripted answer: the first whose `when` holds is given. CEL variables: role, goal, state, input, facts, turn, attempt, calls, feedback, agent, run. */
export const scriptedReplySchema = z.object({
  name: name().optional(),
  when: cel()
    .optional()
    .describe('CEL over role, agent, goal, state, input, facts, turn, attempt, calls, feedback, run. Absent: always.'),
  text: text(8192).optional().describe('Final text; `${cel}` inside is replaced.'),
  json: anyObject()
    .optional()
    .describe('Final JSON answer; `${cel}` in strings is replaced, a string that is only `${cel}` keeps its type.'),
  calls: z
    .array(z.object({ tool: z.string().min(1).max(64), args: anyObject() }))
    .min(1)
    .max(16)
    .optional()
    .describe('Tool calls; arguments may hold `${cel}`.'),
  confidence: ratio().optional(),
  delay: duration().optional().describe('Waits before it answers.'),
  fail: z
    .object({ status: count(599, 400), message: text(512) })
    .optional()
    .describe('Answers with this HTTP error instead.'),
});
export type ScriptedReply = z.infer<typeof scriptedReplySchema>;

export const modelSpecSchema = z
  .object({
    endpoint: z
      .object({
        baseURL: z
          .string()
          .min(1)
          .max(2048)
          .regex(/^https?:\/\//),
        model: text(256),
        secretRef: secretRef().optional(),
      })
      .optional()
      .describe('An OpenAI-compatible endpoint.'),
    scripted: z
      .object({ replies: z.array(scriptedReplySchema).min(1).max(200) })
      .optional()
      .describe('A model that follows a script: for tests, demos and scenario suites; needs no key.'),
    prices: z
      .object({
        currency: z
          .string()
          .regex(/^[A-Z]{3}$/)
          .max(3),
        inputPerMillion: micros(),
        cachedInputPerMillion: micros().optional(),
        outputPerMillion: micros(),
        estimate: z.boolean().optional().describe('True when the vendor publishes no price and these are a guess.'),
      })
      .optional()
      .describe(
        'Micro-units of the currency per million tokens. Required for an endpoint: an unpriced model is never free.',
      ),
    limits: z
      .object({
        maxParallel: count(10_000, 1).optional().describe('Calls at once. Default 32.'),
        requestsPerMinute: count(1_000_000, 1).optional(),
        timeout: duration().optional().describe('One call. Default 60s.'),
        maxOutputTokens: count(1_000_000, 1).optional(),
      })
      .optional(),
  })
  .meta(
    validations(
      {
        rule: 'has(self.endpoint) != has(self.scripted)',
        message: 'spec must have exactly one of: endpoint, scripted',
      },
      {
        rule: '!has(self.endpoint) || has(self.prices)',
        message:
          'spec.prices is required with spec.endpoint: an unpriced model is never free; set prices, with estimate: true where they are a guess',
      },
    ),
  );

export const modelStatusSchema = z.object({ ...commonStatus, digest: z.string().max(80).optional() });

export const modelKind = {
  kind: 'Model',
  plural: 'models',
  singular: 'model',
  shortNames: ['sbm'],
  description: 'A model endpoint with its prices and limits, or a scripted model for keyless use.',
  spec: modelSpecSchema,
  status: modelStatusSchema,
  rules: [nameRule],
  printerColumns: [
    ...readyColumns,
    { name: 'Model', type: 'string', jsonPath: '.spec.endpoint.model' },
    { name: 'Endpoint', type: 'string', jsonPath: '.spec.endpoint.baseURL', priority: 1 },
    ...tailColumns,
  ],
} as const satisfies KindDefinition;
export type ModelSpec = z.infer<typeof modelSpecSchema>;
export type ModelStatus = z.infer<typeof modelStatusSchema>;
