// Owns: the life of a Workflow: checked, resolved with its policy, published.
//   I1: only an accepted version is published. A later version that is not leaves the earlier one in force, and says so.
//   I2: a version by digest stays while an open run follows it, and the last few stay in any case.
import type { ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { SchedulePosition } from '../../api/messages/schedule.ts';
import { catalogKeys } from '../../api/messages/subjects.ts';
import { workflowEntry } from '../../core/catalog/entries.ts';
import { WORKFLOW } from '../../ports/resources.ts';
import type { Instant } from '../../ports/system.ts';
import { type BusCommand, publish, withdraw } from '../catalog/commands.ts';
import { faults, type Findings, resolved } from '../catalog/findings.ts';
import { hasFinalizer, isDeleting } from '../catalog/labels.ts';
import type { AgentObject, CatalogEntry, EscalationPolicyObject, WorkflowObject } from '../catalog/objects.ts';
import { accepted, listed, notAccepted, ready, reconciling, told, type Verdict, waiting } from '../catalog/verdict.ts';
import { type OpenRuns, untoldText } from '../catalog/versions.ts';
import type { Command, Plan } from '../controller/plan.ts';
import { scheduleStatuses } from './schedules.ts';
import { conditionOf } from '../controller/status.ts';

export interface WorkflowObserved {
  readonly root: WorkflowObject;
  readonly findings: Findings;
  readonly policy?: EscalationPolicyObject | undefined;
  /** Every agent that a run may need: of its states, and specialists of the policies that hold there. */
  readonly agents: Readonly<Record<string, AgentObject | undefined>>;
  /** Entry by name. */
  readonly current?: CatalogEntry | undefined;
  /** Entries by digest of this workflow. */
  readonly versions: readonly CatalogEntry[];
  /** That follow each digest. */
  readonly runs: OpenRuns;
  /** Where its schedules stand, by name. */
  readonly positions: ReadonlyMap<string, SchedulePosition>;
  /** The namespace is being removed: nothing is waited for. */
  readonly namespaceGoing: boolean;
}

type WorkflowPlan = Plan<BusCommand>;

/** Versions kept although no open run follows them, to be looked at. */
const versionsKept = 5;
const DELETE_AGAIN_MS = 5_000;
/** Engines tell what their runs follow soon after the catalog has changed. */
const TOLD_MS = 500;

export function planWorkflow(observed: WorkflowObserved, now: Instant): WorkflowPlan {
  const { root, current } = observed;
  if (isDeleting(root)) return planRemoval(observed, now);
  if (!hasFinalizer(root)) return { commands: [finalizer(root, true)] };
  const fault = faults(observed.findings);
  if (fault !== undefined) {
    const verdict = withPrevious(fault, current);
    return {
      commands: [],
      ...told(
        root,
        {
          verdict,
          more: [notAccepted(verdict), ...resolved(observed.findings)],
          fields: { ...kept(root), ...schedulesOf(observed, now) },
        },
        now,
      ),
    };
  }
  const version = resolve(observed);
  const { name, namespace } = version;
  return {
    commands: [
      ...(entryAt(observed, version.digest) === undefined
        ? publish(catalogKeys.workflowAt(version.digest), version, undefined)
        : []),
      ...publish(catalogKeys.workflow(namespace, name), version, current),
      ...outdated(observed, version.digest).flatMap((entry) => withdraw(entry.metadata.name, entry)),
    ],
    ...told(
      root,
      {
        verdict: health(observed),
        more: [accepted('The checks passed.'), ...resolved(observed.findings)],
        fields: { digest: version.digest, agents: version.agents, ...schedulesOf(observed, now) },
      },
      now,
    ),
  };
}

function resolve({ root, policy, agents }: WorkflowObserved): ResolvedWorkflow {
  const { name, namespace = '' } = root.metadata;
  const resolvedPolicy = policy && { name: policy.metadata.name, spec: policy.spec };
  return workflowEntry({ namespace, name, spec: root.spec }, resolvedPolicy, Object.keys(agents));
}

function health({ agents }: WorkflowObserved): Verdict {
  const notReady = Object.entries(agents)
    .filter(([, agent]) => agent === undefined || conditionOf(agent, 'Ready')?.status !== 'True')
    .map(([name]) => name);
  if (notReady.length > 0) {
    const many = notReady.length > 1;
    return reconciling(
      'AgentNotReady',
      `Agent${many ? 's' : ''} ${listed(notReady)} ${many ? 'are' : 'is'} not ready; runs wait for them.`,
    );
  }
  return ready('Accepted', 'Runs may start.');
}

function withPrevious(fault: Verdict, current: CatalogEntry | undefined): Verdict {
  if (current === undefined) return fault;
  const { digest: previous } = current.value as ResolvedWorkflow;
  return { ...fault, message: `${fault.message}; the version accepted before (${previous}) stays in force` };
}

function schedulesOf({ root, positions }: WorkflowObserved, now: Instant) {
  const schedules = scheduleStatuses(root, positions, now);
  return schedules.length === 0 ? {} : { schedules };
}

const kept = ({ status }: WorkflowObject) => ({
  ...(status?.digest === undefined ? {} : { digest: status.digest }),
  ...(status?.agents === undefined ? {} : { agents: status.agents }),
});

const digestOf = (entry: CatalogEntry): string => (entry.value as ResolvedWorkflow).digest;
const entryAt = ({ versions }: WorkflowObserved, wanted: string): CatalogEntry | undefined =>
  versions.find((entry) => digestOf(entry) === wanted);

function outdated({ versions, runs }: WorkflowObserved, current: string): readonly CatalogEntry[] {
  if (runs.untold.length > 0) return [];
  return versions
    .filter((entry) => digestOf(entry) !== current && !runs.open.has(digestOf(entry)))
    .toSorted((a, b) => Number(b.metadata.resourceVersion) - Number(a.metadata.resourceVersion))
    .slice(versionsKept);
}

/** No new run can start at once; versions go when every engine has seen that and no open run follows them any more. */
function planRemoval(observed: WorkflowObserved, now: Instant): WorkflowPlan {
  const { root, current, versions, runs, namespaceGoing } = observed;
  if (!hasFinalizer(root)) return { commands: [] };
  const { namespace = '', name } = root.metadata;
  const stop = withdraw(catalogKeys.workflow(namespace, name), current);
  const known = current === undefined && runs.untold.length === 0;
  const inUse = namespaceGoing ? [] : versions.filter((entry) => !known || runs.open.has(digestOf(entry)));
  const gone = versions
    .filter((entry) => !inUse.includes(entry))
    .flatMap((entry) => withdraw(entry.metadata.name, entry));
  if (inUse.length === 0) return { commands: [...stop, ...gone, finalizer(root, false)] };
  return {
    commands: [...stop, ...gone],
    ...told(root, { verdict: leaving(observed), fields: kept(root) }, now),
    requeueAfterMs: known ? DELETE_AGAIN_MS : TOLD_MS,
  };
}

function leaving({ root, runs: { untold } }: WorkflowObserved): Verdict {
  const { namespace = '', name } = root.metadata;
  const until =
    untold.length === 0
      ? `its open runs have ended; see them: signalbox runs -n ${namespace} --workflow ${name}`
      : `every partition has told which runs follow it, and those have ended: ${untoldText(untold)}`;
  return waiting('Deleting', `Being deleted: no run can start any more; it goes when ${until}.`);
}

const finalizer = (object: WorkflowObject, present: boolean): Command => ({
  kind: 'finalizer',
  resource: WORKFLOW,
  object,
  present,
});
