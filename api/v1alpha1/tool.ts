import { z } from 'zod';
import {
  anyObject,
  commonStatus,
  count,
  duration,
  type KindDefinition,
  name,
  nameRule,
  readyColumns,
  secretRef,
  tailColumns,
  text,
  validations,
} from '../schema.ts';

export const effects = ['read', 'idempotentWrite', 'write', 'irreversible'] as const;
export type Effect = (typeof effects)[number];

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
          'May carry {run.id}, {run.namespace}, {run.workflow}, {run.key} and {input.FIELD}, percent-encoded.',
        ),
        method: z
          .enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
          .optional()
          .describe('Default POST. GET and DELETE send arguments as query parameters.'),
      })
      .optional(),
    mcp: z
      .object({ url: toolUrl(), tool: text(128) })
      .optional()
      .describe('A tool of an MCP server (streamable HTTP).'),
    input: anyObject().describe('JSON Schema of the arguments; type object.'),
    output: anyObject().optional().describe('JSON Schema of the result.'),
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
        argument: z.string().max(64).optional().describe('Argument that carries it.'),
      })
      .optional()
      .describe('How the tool recognises a repeated call.'),
    onAmbiguous: z
      .object({
        query: z
          .object({ tool: name(), by: z.enum(['idempotencyKey', 'arguments']) })
          .optional()
          .describe('Ask this read tool whether the call took effect.'),
        escalate: z.boolean().optional(),
      })
      .optional()
      .describe('What to do when a call may or may not have acted. Default: escalate.'),
    credential: z
      .object({ secretRef: secretRef(), header: z.string().max(64).optional(), prefix: z.string().max(32).optional() })
      .optional()
      .describe('Sent as a header; default `Authorization: Bearer <value>`. Only the gateway reads it.'),
    limits: z
      .object({
        timeout: duration().optional().describe('One call. Default 10s.'),
        maxResultBytes: count(1_048_576, 256).optional().describe('Default 65536.'),
        perMinute: count(1_000_000, 1).optional(),
      })
      .optional(),
  })
  .meta(
    validations(
      { rule: 'has(self.http) != has(self.mcp)', message: 'spec must have exactly one of: http, mcp' },
      {
        rule: "self.effect != 'idempotentWrite' || has(self.idempotency)",
        message:
          'spec.idempotency is required with effect idempotentWrite: say how the tool recognises a repeated call (header, meta or argument)',
      },
      {
        rule: "!has(self.onAmbiguous) || self.effect != 'read'",
        message: 'spec.onAmbiguous has no meaning with effect read: a read can always be repeated; remove it',
      },
    ),
  );

export const toolStatusSchema = z.object({ ...commonStatus, digest: z.string().max(80).optional() });

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
