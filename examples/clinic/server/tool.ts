// Owns: the shape of a tool of the clinic.
import type { DatabaseSync } from 'node:sqlite';

export type Args = Readonly<Record<string, unknown>>;

export interface ClinicTool {
  readonly name: string;
  readonly description: string;
  /** idempotentWrite: a repeated key is answered with the first result. write: a repeated call acts again. */
  readonly effect: 'read' | 'idempotentWrite' | 'write';
  /** JSON Schema of the arguments. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Runs inside a transaction: a throw changes nothing. */
  act(db: DatabaseSync, args: Args): Readonly<Record<string, unknown>>;
}

/** The tool says no, for a reason the caller may read; nothing happened. */
export class Refusal extends Error {}

/** Schema of an object whose members are all strings, each required but those named in `optional`. */
export function strings(members: readonly string[], optional: readonly string[] = []): ClinicTool['input'] {
  const properties = Object.fromEntries(
    members.map((name) => [name, { type: 'string', minLength: 1, maxLength: 4096 }]),
  );
  return {
    type: 'object',
    properties,
    required: members.filter((name) => !optional.includes(name)),
    additionalProperties: false,
  };
}

/** An argument as text; the schema has already made sure that it is one. */
export const text = (args: Args, name: string): string => (typeof args[name] === 'string' ? args[name] : '');

export function one(
  db: DatabaseSync,
  sql: string,
  ...values: readonly (string | number)[]
): Record<string, unknown> | undefined {
  return db.prepare(sql).get(...values);
}

/** A row that must exist. */
export function found(row: Record<string, unknown> | undefined, what: string): Record<string, unknown> {
  if (row === undefined) throw new Refusal(`${what} does not exist`);
  return { ...row };
}

/** Next identifier of a table, such as `apt-3`. */
export function nextId(db: DatabaseSync, table: string, prefix: string): string {
  return `${prefix}-${Number(one(db, `SELECT count(*) AS n FROM ${table}`)?.['n'] ?? 0) + 1}`;
}

/** The answer of an earlier write with this key, or `found: false`: lets a caller ask whether a call took effect. */
export function effectOf(db: DatabaseSync, tool: string, key: string): Readonly<Record<string, unknown>> {
  const row = one(db, 'SELECT result FROM effects WHERE tool = ? AND key = ?', tool, key);
  return row === undefined ? { found: false } : (JSON.parse(String(row['result'])) as Record<string, unknown>);
}
