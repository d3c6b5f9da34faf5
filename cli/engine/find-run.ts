// Owns: what a person may call a run: its id, or the name of the WorkflowRun it was started by.
import { isSignalboxError } from '../../api/errors.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { WORKFLOW_RUN } from '../../ports/resources.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { withSession } from '../kube/session.ts';
import type { EngineOptions } from '../options.ts';
import type { EngineClient } from './client.ts';

const runId = /^[0-9A-Za-z]{1,64}$/;

interface RunObject extends KubeObject {
  readonly status?: { readonly run?: string };
}

export async function findRun(
  host: Host,
  options: EngineOptions,
  engine: EngineClient,
  name: string,
): Promise<RunSummary> {
  const bare = name.replace(/^(run|workflowrun)\//, '');
  if (runId.test(bare)) {
    try {
      return await engine.show(bare);
    } catch (error) {
      if (!isSignalboxError(error, 'NOT_FOUND')) throw error;
    }
  }
  const id = await runOfObject(host, options, engine.namespace, bare);
  if (id !== undefined) return engine.show(id);
  throw new VerbError('NOT_FOUND', `no run and no WorkflowRun is called "${bare}" in namespace ${engine.namespace}`, {
    attempt: `signalbox runs${engine.again}, or another namespace with -n`,
  });
}

async function runOfObject(
  host: Host,
  options: EngineOptions,
  namespace: string,
  name: string,
): Promise<string | undefined> {
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) || name.length > 63) return undefined;
  try {
    return await withSession(host, options, async ({ kube }) => {
      const object = await kube.get<RunObject>(WORKFLOW_RUN, { namespace, name });
      return object?.status?.run;
    });
  } catch (error) {
    // Where the caller may use the engine but not the API server, only ids are known.
    if (isSignalboxError(error, 'KUBE_FORBIDDEN') || isSignalboxError(error, 'CONFIG_INVALID')) return undefined;
    throw error;
  }
}
