// Owns: the CEL rules of a schema over what a file says. In a cluster the API server checks them; a file has only us.
import { z } from 'zod';
import type { CelRule } from '../../api/schema.ts';
import { evaluateBoolean, evaluateValue } from '../../core/cel/cel.ts';
import type { Path } from '../bundle/source.ts';

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly additionalProperties?: Node | boolean;
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
}

export interface Broken {
  readonly path: Path;
  readonly message: string;
}

/** `value` fits the schema. Rules about changes are for objects that were there before. */
export function brokenRules(schema: z.ZodType, value: unknown): readonly Broken[] {
  const json: unknown = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline' });
  return [...walk(json as Node, value, [])];
}

function* walk(node: Node, value: unknown, path: Path): Generator<Broken> {
  for (const rule of node['x-kubernetes-validations'] ?? []) {
    if (rule.rule.includes('oldSelf') || holds(rule.rule, value)) continue;
    const field = rule.fieldPath?.split('.').filter((name) => name !== '') ?? [];
    yield { path: [...path, ...field], message: messageOf(rule, value) };
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const child = childOf(node, name);
    if (child !== undefined) yield* walk(child, member, [...path, Array.isArray(value) ? Number(name) : name]);
  }
}

function childOf({ properties, items, additionalProperties }: Node, name: string): Node | undefined {
  if (items !== undefined) return items;
  if (properties !== undefined) return properties[name];
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

/** A rule that cannot be evaluated is broken. */
function holds(rule: string, self: unknown): boolean {
  const result = evaluateBoolean(rule, { self });
  return result.ok && result.value;
}

function messageOf({ message, messageExpression }: CelRule, self: unknown): string {
  const told = messageExpression === undefined ? undefined : evaluateValue(messageExpression, { self });
  return told?.kind === 'Value' && typeof told.value === 'string' ? told.value : message;
}
