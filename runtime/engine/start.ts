// Owns: how a run begins: from HTTP, NATS, a bus event or another run. The same business key is the same run.
import { z } from 'zod';
import { SignalboxError } from '../../api/errors.ts';
import type { StartRequest } from '../../api/messages/asks.ts';
import type { ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { JsonObject, RunSource, RunSummary } from '../../api/messages/history.ts';
import { evaluateValue } from '../../core/cel/cel.ts';
import { runIdFor } from '../../core/workflow/partition.ts';
import { type Priority, priorities } from '../../api/messages/priority.ts';
import { durationMs } from '../../core/routing/duration.ts';
import { timeText } from '../../core/schedule/calendar.ts';
import { aheadMaxMs, timeMs } from '../../core/search/time.ts';
import type { SchemaChecks } from '../json-schema.ts';
import type { Catalog } from './catalog.ts';
import { type Owners, resultOf } from './forward.ts';

export interface Wish {
  readonly namespace: string;
  readonly workflow: string;
  readonly input: JsonObject;
  readonly key?: string;
  readonly priority?: Priority;
  /** Milliseconds since the epoch. */
  readonly startAt?: number;
  readonly requestedBy: string;
  readonly source: RunSource;
  /** Used as key where neither the caller nor the workflow has one. */
  readonly otherwise: string;
}

/** Members of a start's body beside input and key. */
export const startOptions = {
  priority: z.enum(priorities).optional(),
  startAt: z.string().max(40).optional(),
  delay: z.string().max(32).optional(),
};

/** When and how a run is wanted; rejects what cannot be read, or is too far ahead. */
export function whenOf(
  body: {
    readonly priority?: Priority | undefined;
    readonly startAt?: string | undefined;
    readonly delay?: string | undefined;
  },
  now: number,
): Pick<Wish, 'priority' | 'startAt'> {
  const { priority, startAt, delay } = body;
  if (startAt !== undefined && delay !== undefined) {
    throw new SignalboxError('INVALID_INPUT', 'found startAt and delay; allowed is one of them');
  }
  const at = startAt === undefined ? delayed(delay, now) : timeMs(startAt);
  if (at === undefined && startAt !== undefined) {
    throw new SignalboxError(
      'INVALID_INPUT',
      `startAt: found "${startAt}"; allowed: RFC 3339 such as 2026-03-29T01:00:00Z`,
    );
  }
  if (at !== undefined && at > now + aheadMaxMs) {
    throw new SignalboxError('INVALID_INPUT', `startAt: found ${timeText(at)}; allowed: at most 366 days ahead`);
  }
  return { ...(priority === undefined ? {} : { priority }), ...(at === undefined ? {} : { startAt: at }) };
}

function delayed(delay: string | undefined, now: number): number | undefined {
  if (delay === undefined) return undefined;
  const ms = durationMs(delay, Number.NaN);
  if (Number.isNaN(ms)) {
    throw new SignalboxError('INVALID_INPUT', `delay: found "${delay}"; allowed: a duration such as 90s, 10m or 2h`);
  }
  return now + ms;
}

/** Bytes of an input: it is part of every task. */
export const inputBytesMax = 262_144;

export function currentWorkflow(catalog: Catalog, namespace: string, name: string): ResolvedWorkflow {
  const workflow = catalog.workflow(namespace, name);
  if (workflow !== undefined) return workflow;
  throw new SignalboxError(
    'NOT_FOUND',
    `namespace ${namespace} has no accepted workflow ${name}; see \`kubectl get workflows -n ${namespace}\``,
  );
}

/** What is wrong with an input, by the workflow's schema; names the field. */
export function checkInput(checks: SchemaChecks, workflow: ResolvedWorkflow, input: JsonObject): void {
  const bytes = JSON.stringify(input).length;
  if (bytes > inputBytesMax) {
    throw new SignalboxError('INVALID_INPUT', `input has ${bytes} bytes; allowed are at most ${inputBytesMax}`);
  }
  const checked = checks.check(`input/${workflow.digest}`, workflow.spec.input as JsonObject, input);
  if (!checked.ok) {
    throw new SignalboxError('INVALID_INPUT', `the input does not fit workflow ${workflow.name}: ${checked.message}`);
  }
}

/** Under these the engine itself starts runs: a parent, a hand-over or a schedule would take another run for its own. */
const ownKeys = ['child/', 'event/', 'fallback/', 'schedule/'] as const;

export function assertFreeKey(key: string | undefined): void {
  if (!ownKeys.some((own) => key?.startsWith(own))) return;
  throw new SignalboxError(
    'INVALID_INPUT',
    `key: found "${key}"; allowed is any that does not begin with ${ownKeys.join(', ')}`,
  );
}

export function startRequest(workflow: ResolvedWorkflow, wish: Wish): StartRequest {
  const { namespace, input, requestedBy, source } = wish;
  const key = wish.key ?? businessKey(workflow, input);
  return {
    run: runIdFor(namespace, workflow.name, key ?? wish.otherwise),
    namespace,
    workflow: workflow.name,
    input,
    requestedBy,
    source,
    ...(key === undefined ? {} : { key }),
    ...(wish.priority === undefined ? {} : { priority: wish.priority }),
    ...(wish.startAt === undefined ? {} : { startAt: wish.startAt }),
  };
}

function businessKey(workflow: ResolvedWorkflow, input: JsonObject): string | undefined {
  if (workflow.spec.key === undefined) return undefined;
  const key = evaluateValue(workflow.spec.key, { input });
  if (key.kind === 'Error') {
    throw new SignalboxError('INVALID_INPUT', `the key "${workflow.spec.key}" cannot be evaluated: ${key.message}`);
  }
  if (typeof key.value !== 'string' && typeof key.value !== 'number') {
    throw new SignalboxError('INVALID_INPUT', `the key "${workflow.spec.key}" must be a text or a number`);
  }
  return String(key.value);
}

export interface Starting {
  readonly catalog: Catalog;
  readonly owners: Owners;
  readonly checks: SchemaChecks;
}

/** Starts, or finds, the run; resolves after the commit. */
export async function start({ catalog, owners, checks }: Starting, wish: Wish): Promise<RunSummary> {
  await catalog.prepare(wish.namespace, wish.workflow);
  const workflow = currentWorkflow(catalog, wish.namespace, wish.workflow);
  checkInput(checks, workflow, wish.input);
  const request = startRequest(workflow, wish);
  return resultOf(await owners.ask<RunSummary>(request.run, 'start', request));
}
