import { z } from 'zod';
import {
  anyObject,
  commonStatus,
  count,
  duration,
  exactlyOne,
  type KindDefinition,
  name,
  nameRule,
  readyColumns,
  onlyWith,
  requiredWith,
  secretRef,
  tailColumns,
  text,
  validations,
} from '../schema.ts';

export const effects = ['read', 'idempotentWrite', 'write', 'irreversible'] as const;
export type Effect = (typeof effects)[number];

/**
 * How a call can end. ok: done. error: the tool or model said no, nothing happened. denied: a permission, budget or policy refused.
 * approvalRequired: waits for a person. recommended: recorded, not done. ambiguous: nobody knows. rejected: the verifier said no.
 */
export const callOutcomes = [
  'ok',
  'error',
  'denied',
  'approvalRequired',
  'recommended',
  'ambiguous',
  'rejected',
] as const;

/** `{run.id}`, `{run.namespace}`, `{run.workflow}`, `{run.key}` or `{input.FIELD}`; percent-encoded when filled in. */
const toolUrl = () =>
  z
    .string()
    .min(1)
    .max(2048)
    .regex(/^https?:\/\//);

export const toolSpecSchema = z
  .object({
    description: text(2048).describe('What the tool does, in words a model can choose by.'),
    function: z
      .string()
      .max(64)
      .regex(/^[A-Za-z0-9_-]{1,64}$/)
      .optional()
      .describe('Name shown to the model. Default: the name of the Tool.'),
    http: z
      .object({
        url: toolUrl().describe(
          'May carry {run.id}, {run.namespace}, {run.workflow}, {run.key}, {input.FIELD} and, after the host, {args.NAME}: percent-encoded. An argument that stands here is not sent a second time.',
        ),
        method: z
          .enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
          .optional()
          .describe('Default POST. GET and DELETE send arguments as query parameters.'),
      })
      .optional()
      .describe('A tool that is called by an HTTP request with a JSON body.'),
    mcp: z
      .object({
        url: toolUrl().describe('May carry the same {…} as http.url.'),
        tool: text(128).describe('Name of the tool on that server.'),
      })
      .optional()
      .describe('A tool of an MCP server (streamable HTTP).'),
    input: anyObject().describe('JSON Schema of the arguments; type object.'),
    output: anyObject()
      .optional()
      .describe(
        'JSON Schema of the result: part of the contract that bundles pin. Results are not checked against it.',
      ),
    effect: z.enum(effects).describe('What a call does to the world. Never taken from a server’s hints.'),
    idempotency: z
      .object({
        header: z
          .string()
          .max(64)
          .regex(/^[A-Za-z0-9-]+$/)
          .optional()
          .describe('HTTP header that carries the idempotency key.'),
        meta: z
          .string()
          .max(64)
          .regex(/^[A-Za-z0-9_./-]+$/)
          .optional()
          .describe('MCP _meta member that carries it.'),
        argument: z.string().min(1).max(64).optional().describe('Argument that carries it.'),
      })
      .meta(validations(exactlyOne('idempotency', 'header', 'meta', 'argument')))
      .optional()
      .describe('How the tool recognises a repeated call: by one of these.'),
    onAmbiguous: z
      .object({
        query: z
          .object({
            tool: name().describe(
              'A Tool with effect read. Bundles pin it with this one; they need not list it, and no model is offered it.',
            ),
            by: z.enum(['idempotencyKey', 'arguments']).describe('What it is asked with.'),
          })
          .optional()
          .describe('Ask this read tool whether the call took effect.'),
        escalate: z.boolean().optional().describe('Ask a person; the only value is true.'),
      })
      .meta(
        validations(exactlyOne('onAmbiguous', 'query', 'escalate'), {
          rule: '!has(self.escalate) || self.escalate',
          message: 'escalate is false; allowed is only true: an ambiguous call is never ignored',
          fieldPath: '.escalate',
        }),
      )
      .optional()
      .describe('What to do when a call may or may not have acted. Default: escalate.'),
    credential: z
      .object({
        secretRef: secretRef(),
        header: z.string().max(64).optional().describe('Name of the header. Default Authorization.'),
        prefix: z
          .string()
          .max(32)
          .optional()
          .describe('Text before the value. Default "Bearer " with Authorization, else none.'),
      })
      .optional()
      .describe('Sent as a header; default `Authorization: Bearer <value>`. Only the gateway reads it.'),
    limits: z
      .object({
        timeout: duration().optional().describe('One call. Default 10s.'),
        maxResultBytes: count(65_536, 256).optional().describe('Of a result. Default 65536.'),
        perMinute: count(1_000_000, 1)
          .optional()
          .describe('Calls in any 60 seconds, over all gateways of the namespace; more of them wait.'),
      })
      .optional()
      .describe('What one call and one minute may take.'),
  })
  .meta(
    validations(
      exactlyOne('spec', 'http', 'mcp'),
      requiredWith('effect', ['idempotentWrite'], 'idempotency', 'say how the tool recognises a repeated call'),
      onlyWith('onAmbiguous', 'effect', ['idempotentWrite', 'write', 'irreversible']),
      {
        rule: '!has(self.idempotency) || !has(self.idempotency.header) || has(self.http)',
        message: 'idempotency.header is only allowed with http; use idempotency.meta or idempotency.argument with mcp',
        fieldPath: '.idempotency.header',
        reason: 'FieldValueForbidden',
      },
      {
        rule: '!has(self.idempotency) || !has(self.idempotency.meta) || has(self.mcp)',
        message: 'idempotency.meta is only allowed with mcp; use idempotency.header or idempotency.argument with http',
        fieldPath: '.idempotency.meta',
        reason: 'FieldValueForbidden',
      },
    ),
  );

export const toolStatusSchema = z.object({
  ...commonStatus,
  digest: z.string().max(80).optional().describe('Digest of the contract that bundles pin.'),
});

export const toolKind = {
  kind: 'Tool',
  plural: 'tools',
  singular: 'tool',
  shortNames: ['sbt'],
  description: 'A tool over HTTP or MCP: its contract, its effect on the world and its limits.',
  spec: toolSpecSchema,
  status: toolStatusSchema,
  rules: [nameRule],
  printerColumns: [...readyColumns, { name: 'Effect', type: 'string', jsonPath: '.spec.effect' }, ...tailColumns],
} as const satisfies KindDefinition;
export type ToolSpec = z.infer<typeof toolSpecSchema>;
export type ToolStatus = z.infer<typeof toolStatusSchema>;
