import { z } from 'zod';
import {
  anyObject,
  cel,
  commonStatus,
  count,
  duration,
  exactlyOne,
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

/** One scripted answer: the first whose `when` holds is given. CEL variables: see `when`. */
export const scriptedReplySchema = z
  .object({
    name: name().optional().describe('Shown in the trace.'),
    when: cel()
      .optional()
      .describe(
        'CEL over role, agent, goal, state, input, facts, turn, attempt, calls, feedback, result, lastText, run. Absent: always.',
      ),
    text: text(8192).optional().describe('Final text; `${cel}` inside is replaced.'),
    json: anyObject()
      .optional()
      .describe('Final JSON answer; `${cel}` in strings is replaced, a string that is only `${cel}` keeps its type.'),
    calls: z
      .array(
        z.object({
          tool: z.string().min(1).max(64).describe('Name of the function, as the model sees it.'),
          args: anyObject().describe('Its arguments.'),
        }),
      )
      .min(1)
      .max(16)
      .optional()
      .describe('Tool calls; arguments may hold `${cel}`.'),
    confidence: ratio().optional().describe('What the model reports of its own confidence.'),
    delay: duration().optional().describe('Waits before it answers.'),
    fail: z
      .object({ status: count(599, 400).describe('HTTP status.'), message: text(512).describe('Text of the error.') })
      .optional()
      .describe('Answers with this HTTP error instead.'),
  })
  .meta(validations(exactlyOne('a reply', 'text', 'json', 'calls', 'fail')));
export type ScriptedReply = z.infer<typeof scriptedReplySchema>;

export const modelSpecSchema = z
  .object({
    endpoint: z
      .object({
        baseURL: z
          .string()
          .min(1)
          .max(2048)
          .regex(/^https?:\/\//)
          .describe('Up to and with /v1.'),
        model: text(256).describe('Name of the model at the endpoint.'),
        secretRef: secretRef().optional().describe('The API key. Absent: none is sent.'),
      })
      .optional()
      .describe('An OpenAI-compatible endpoint.'),
    scripted: z
      .object({
        replies: z
          .array(scriptedReplySchema)
          .min(1)
          .max(200)
          .describe('The first whose `when` holds is given; none: the call fails.'),
      })
      .optional()
      .describe('A model that follows a script: for tests, demos and scenario suites; needs no key.'),
    prices: z
      .object({
        currency: z
          .string()
          .regex(/^[A-Z]{3}$/)
          .max(3)
          .describe('ISO 4217 code.'),
        inputPerMillion: micros().describe('Input tokens.'),
        cachedInputPerMillion: micros()
          .optional()
          .describe('Input tokens read from the vendor’s cache. Default: as input.'),
        outputPerMillion: micros().describe('Output tokens.'),
        estimate: z.boolean().optional().describe('True when the vendor publishes no price and these are a guess.'),
      })
      .optional()
      .describe(
        'Micro-units of the currency per million tokens. Required for an endpoint: an unpriced model is never free.',
      ),
    capabilities: z
      .object({
        tools: z.boolean().optional().describe('It calls functions.'),
        jsonSchema: z.boolean().optional().describe('Its answer fits a JSON Schema that it is given.'),
        logprobs: z.boolean().optional().describe('It tells the probabilities of what it says.'),
        contextTokens: count(100_000_000, 1).optional().describe('What it takes and gives, at most, in one call.'),
      })
      .optional()
      .describe(
        'What it can do, as its vendor says; a bundle that needs more is refused. What is absent is not checked.',
      ),
    limits: z
      .object({
        maxParallel: count(10_000, 1).optional().describe('Calls at once. Default 32.'),
        requestsPerMinute: count(1_000_000, 1)
          .optional()
          .describe('In any 60 seconds, over all gateways of the namespace; more of them wait.'),
        timeout: duration().optional().describe('One call. Default 60s.'),
        maxOutputTokens: count(1_000_000, 1).optional().describe('Of one answer.'),
      })
      .optional()
      .describe('What one call and one minute may take.'),
  })
  .meta(
    validations(exactlyOne('spec', 'endpoint', 'scripted'), {
      rule: '!has(self.endpoint) || has(self.prices)',
      message:
        'prices is required with endpoint: an unpriced model is never free; set prices, with estimate: true where they are a guess',
      fieldPath: '.prices',
      reason: 'FieldValueRequired',
    }),
  );

export const modelStatusSchema = z.object({
  ...commonStatus,
  digest: z.string().max(80).optional().describe('Digest of the spec.'),
});

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
