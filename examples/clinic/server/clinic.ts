// Owns: one call of one tool: arguments, idempotency keys, the transaction, the log of effects, and faults on demand.
//   C1: a write and its row in `effects` are one transaction.
//   C2: the server never hides a repeat: two rows with one key, or with one run, tool and arguments, are a duplicate.
import { Ajv, type ValidateFunction } from 'ajv';
import type { DatabaseSync } from 'node:sqlite';
import { deskTools } from './desk.ts';
import { practiceTools } from './practice.ts';
import { recordTools } from './records.ts';
import { type Args, type ClinicTool, one, Refusal } from './tool.ts';

export const clinicTools: readonly ClinicTool[] = [...deskTools, ...recordTools, ...practiceTools];

export interface Call {
  readonly tool: string;
  readonly args: unknown;
  readonly key: string | undefined;
  /** The run on whose behalf, or empty. */
  readonly run: string;
  readonly via: 'http' | 'mcp';
}

export type Answer =
  | { readonly kind: 'Done'; readonly result: Readonly<Record<string, unknown>>; readonly replayed: boolean }
  | { readonly kind: 'Refused'; readonly status: number; readonly error: string };

/**
 * fail: 503, nothing happened. refuse: 422. slow: waits before it acts. resetBefore: the connection breaks, nothing
 * happened. resetAfter: it acted, then the connection breaks.
 */
export const faultKinds = ['fail', 'refuse', 'slow', 'resetBefore', 'resetAfter'] as const;

export interface Fault {
  readonly tool: string;
  /** 1 is the next call of the tool. */
  readonly nth: number;
  readonly kind: (typeof faultKinds)[number];
  /** Milliseconds of `slow`; default 1,000. */
  readonly ms?: number;
}

export class Clinic {
  readonly #db: DatabaseSync;
  readonly #tools = new Map(clinicTools.map((tool) => [tool.name, tool]));
  readonly #schemas = new Map<string, ValidateFunction>();
  readonly #ajv = new Ajv({ allErrors: true });
  #faults: (Fault & { left: number })[] = [];

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  addFault(fault: Fault): void {
    this.#faults.push({ ...fault, left: fault.nth });
  }

  clearFaults(): void {
    this.#faults = [];
  }

  /** The fault this call of the tool meets, if any; each is met once. */
  takeFault(tool: string): Fault | undefined {
    let due: Fault | undefined;
    for (const fault of this.#faults) {
      if (fault.tool === tool) fault.left -= 1;
      if (fault.tool === tool && fault.left <= 0) due ??= fault;
    }
    this.#faults = this.#faults.filter((fault) => fault !== due);
    return due;
  }

  call(call: Call): Answer {
    const tool = this.#tools.get(call.tool);
    if (tool === undefined) return { kind: 'Refused', status: 404, error: `tool ${call.tool} does not exist` };
    const check = this.#check(tool);
    if (!check(call.args)) {
      return { kind: 'Refused', status: 400, error: this.#ajv.errorsText(check.errors, { dataVar: 'arguments' }) };
    }
    const args = call.args as Args;
    if (tool.effect === 'read') return this.#attempt(() => ({ result: tool.act(this.#db, args), replayed: false }));
    return this.#transact(() => this.#write(tool, args, call));
  }

  #write(tool: ClinicTool, args: Args, { key, run, via }: Call): { result: Args; replayed: boolean } {
    const canonical = canonicalText(args);
    if (tool.effect === 'idempotentWrite' && key !== undefined) {
      const row = one(this.#db, 'SELECT args, result FROM effects WHERE tool = ? AND key = ?', tool.name, key);
      if (row !== undefined && row['args'] !== canonical) {
        throw new Refusal(`idempotency key ${key} was used with other arguments`);
      }
      if (row !== undefined) return { result: JSON.parse(String(row['result'])) as Args, replayed: true };
    }
    const result = tool.act(this.#db, args);
    this.#db
      .prepare('INSERT INTO effects (at, run, tool, via, key, args, result) VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(new Date().toISOString(), run, tool.name, via, key ?? null, canonical, JSON.stringify(result));
    return { result, replayed: false };
  }

  /** Every write, and how many of them repeat another: same key, or same run, tool and arguments. */
  effects(run?: string): { readonly rows: readonly Record<string, unknown>[]; readonly duplicates: number } {
    const all = this.#db.prepare('SELECT * FROM effects ORDER BY seq').all();
    const rows = all
      .filter((row) => run === undefined || row['run'] === run)
      .map((row) => ({ ...row, args: JSON.parse(String(row['args'])) as unknown }) as Record<string, unknown>);
    const seen = new Set<string>();
    let duplicates = 0;
    for (const row of rows) {
      const marks = [`call ${String(row['run'])} ${String(row['tool'])} ${canonicalText(row['args'])}`];
      if (typeof row['key'] === 'string') marks.push(`key ${row['key']}`);
      const judged = row['run'] === '' ? marks.slice(1) : marks;
      if (judged.some((mark) => seen.has(mark))) duplicates += 1;
      for (const mark of judged) seen.add(mark);
    }
    return { rows, duplicates };
  }

  #transact(work: () => { result: Args; replayed: boolean }): Answer {
    this.#db.exec('BEGIN IMMEDIATE');
    const answer = this.#attempt(work);
    this.#db.exec(answer.kind === 'Done' ? 'COMMIT' : 'ROLLBACK');
    return answer;
  }

  #attempt(work: () => { result: Args; replayed: boolean }): Answer {
    try {
      return { kind: 'Done', ...work() };
    } catch (error) {
      if (error instanceof Refusal) return { kind: 'Refused', status: 422, error: error.message };
      return { kind: 'Refused', status: 500, error: error instanceof Error ? error.message : String(error) };
    }
  }

  #check(tool: ClinicTool): ValidateFunction {
    const known = this.#schemas.get(tool.name);
    if (known !== undefined) return known;
    const check = this.#ajv.compile(tool.input);
    this.#schemas.set(tool.name, check);
    return check;
  }
}

/** JSON with sorted members, so that equal arguments have equal text. */
function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalText(member)}`).join(',')}}`;
}
