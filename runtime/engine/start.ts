// Owns: how a run begins: from HTTP, NATS, a bus event or another run. The same business key is the same run.
import { SignalboxError } from '../../api/errors.ts';
import type { StartRequest } from '../../api/messages/asks.ts';
import type { ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { JsonObject, RunSource, RunSummary } from '../../api/messages/history.ts';
import { evaluateValue } from '../../core/cel/cel.ts';
import { runIdFor } from '../../core/workflow/partition.ts';
import type { SchemaChecks } from '../json-schema.ts';
import type { Catalog } from './catalog.ts';
import { type Owners, resultOf } from './forward.ts';

export interface Wish {
  readonly namespace: string;
  readonly workflow: string;
  readonly input: JsonObject;
  readonly key?: string;
  readonly requestedBy: string;
  readonly source: RunSource;
  /** Used as key where neither the caller nor the workflow has one. */
  readonly otherwise: string;
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

/** Starts, or finds, the run; resolves after the commit. */
export async function start(
  { catalog, owners, checks }: { catalog: Catalog; owners: Owners; checks: SchemaChecks },
  wish: Wish,
): Promise<RunSummary> {
  await catalog.prepare(wish.namespace, wish.workflow);
  const workflow = currentWorkflow(catalog, wish.namespace, wish.workflow);
  checkInput(checks, workflow, wish.input);
  const request = startRequest(workflow, wish);
  return resultOf(await owners.ask<RunSummary>(request.run, 'start', request));
}
