// Owns: what a WorkflowRun's plan looks at, and how it asks the engine.
import type { ResolvedWorkflow } from '../../api/messages/catalog.ts';
import { catalogKeys } from '../../api/messages/subjects.ts';
import type { Finding } from '../../core/admission/finding.ts';
import { checkReferences } from '../../core/admission/references.ts';
import { evaluateValue } from '../../core/cel/cel.ts';
import { runIdFor } from '../../core/workflow/partition.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { keyOf, WORKFLOW_RUN } from '../../ports/resources.ts';
import { lookups } from '../catalog/findings.ts';
import type { EngineDesk } from '../catalog/engine.ts';
import {
  CATALOG_ENTRY,
  type CatalogEntry,
  RUN_RECORD,
  type RunRecord,
  type WorkflowRunObject,
} from '../catalog/objects.ts';
import { type Caches, type Controller, planned } from '../controller/controller.ts';
import { cancelKey, pauseKey, planRun, type RunCommand, type RunObserved } from './plan.ts';

export function workflowRunController(desk: EngineDesk): Controller {
  return planned<RunObserved, RunCommand>({
    name: 'workflowrun',
    root: WORKFLOW_RUN,
    fenced: true,
    indexes: [
      {
        resource: WORKFLOW_RUN,
        name: 'workflow',
        values: (run: WorkflowRunObject) => [inNamespace(run, run.spec.workflowRef.name)],
      },
      {
        resource: WORKFLOW_RUN,
        name: 'run',
        values: ({ metadata, status }: WorkflowRunObject) =>
          status?.run === undefined ? [] : [`${metadata.namespace}/${status.run}`],
      },
    ],
    watches: [
      {
        resource: RUN_RECORD,
        map: (record: RunRecord, caches) =>
          caches.of(WORKFLOW_RUN).indexed('run', inNamespace(record, record.metadata.name)).map(keyOf),
      },
      { resource: CATALOG_ENTRY, map: (entry: CatalogEntry, caches) => startable(entry, caches) },
    ],
    observe: (root, caches) => observe(root as WorkflowRunObject, caches, desk),
    plan: planRun,
    perform: (command) => desk.ask(command.uid, command.request.run, command.kind, command.request),
  });
}

const inNamespace = ({ metadata }: KubeObject, name: string): string => `${metadata.namespace}/${name}`;

/** Runs that wait for their workflow. */
function startable({ metadata, value }: CatalogEntry, caches: Caches) {
  if (!metadata.name.startsWith('workflow.')) return [];
  const { namespace, name } = value as ResolvedWorkflow;
  return caches
    .of<WorkflowRunObject>(WORKFLOW_RUN)
    .indexed('workflow', `${namespace}/${name}`)
    .filter(({ status }) => status?.run === undefined)
    .map(keyOf);
}

async function observe(root: WorkflowRunObject, caches: Caches, desk: EngineDesk): Promise<RunObserved> {
  const { namespace = '', uid = '' } = root.metadata;
  const workflow = caches
    .of<CatalogEntry>(CATALOG_ENTRY)
    .get({ name: catalogKeys.workflow(namespace, root.spec.workflowRef.name) })?.value as ResolvedWorkflow | undefined;
  const run = root.status?.run ?? (workflow === undefined ? undefined : runId(root, workflow));
  const cached = run === undefined ? undefined : caches.of<RunRecord>(RUN_RECORD).get({ namespace, name: run })?.value;
  const answer = desk.answer(uid);
  // A run that was started another way is not projected, although the object shows it.
  const asked = cached === undefined && run !== undefined && answer?.kind === 'Done';
  return {
    root,
    run,
    workflowAccepted: workflow !== undefined,
    missing: workflow === undefined ? missingWorkflow(root, caches) : undefined,
    summary: asked ? await desk.show(namespace, run) : cached,
    projected: !asked,
    answer,
    cancelled: desk.answer(cancelKey(root)),
    suspended: desk.answer(pauseKey(root)),
  };
}

function missingWorkflow({ metadata, spec }: WorkflowRunObject, caches: Caches): Finding | undefined {
  const existing = lookups(metadata.namespace ?? '', caches);
  return checkReferences(metadata.name, { kind: 'WorkflowRun', spec }, existing)[0];
}

/** A business key makes two starts one run; without one the object is the run. */
function runId(root: WorkflowRunObject, workflow: ResolvedWorkflow): string {
  const { namespace = '', uid = '' } = root.metadata;
  const key = root.spec.key ?? businessKey(root, workflow) ?? `object/${uid}`;
  return runIdFor(namespace, workflow.name, key);
}

function businessKey({ spec }: WorkflowRunObject, workflow: ResolvedWorkflow): string | undefined {
  if (workflow.spec.key === undefined) return undefined;
  const result = evaluateValue(workflow.spec.key, { input: spec.input ?? {} });
  return result.kind === 'Value' && (typeof result.value === 'string' || typeof result.value === 'number')
    ? String(result.value)
    : undefined;
}
