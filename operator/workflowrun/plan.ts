// Owns: the life of a WorkflowRun object: it starts a run, mirrors it, and cancels it. The run itself lives in the journal.
//   I1: one object is one run: its id follows from the object and never changes.   I2: a closed run is not touched any more.
import type { CancelRequest, FreezeRequest, StartRequest } from '../../api/messages/asks.ts';
import type { JsonObject, RunSummary } from '../../api/messages/history.ts';
import type { Finding } from '../../core/admission/finding.ts';
import type { Instant } from '../../ports/system.ts';
import { aheadMaxMs, timeMs } from '../../core/search/time.ts';
import { WORKFLOW_RUN } from '../../ports/resources.ts';
import type { Answer } from '../catalog/engine.ts';
import { annotation, hasFinalizer, isDeleting } from '../catalog/labels.ts';
import type { WorkflowRunObject } from '../catalog/objects.ts';
import { ready, reconciling, stalled, told, type Verdict, waiting } from '../catalog/verdict.ts';
import type { Command, Plan, Status } from '../controller/plan.ts';
import type { Finding as ConditionFinding } from '../controller/status.ts';

export interface RunObserved {
  readonly root: WorkflowRunObject;
  /** Id of the run; undefined while it depends on a workflow that is not accepted yet. */
  readonly run: string | undefined;
  /** The workflow has an accepted version. */
  readonly workflowAccepted: boolean;
  /** The Workflow does not exist. */
  readonly missing?: Finding | undefined;
  readonly summary?: RunSummary | undefined;
  /** False: nobody tells when the run changes; it has to be asked for again. */
  readonly projected?: boolean;
  /** To the start. */
  readonly answer?: Answer | undefined;
  readonly cancelled?: Answer | undefined;
  /** To what spec.suspend asks for. */
  readonly suspended?: Answer | undefined;
}

export type RunCommand =
  | { readonly kind: 'start'; readonly uid: string; readonly request: StartRequest }
  | { readonly kind: 'freeze' | 'resume'; readonly uid: string; readonly request: FreezeRequest }
  | { readonly kind: 'cancel'; readonly uid: string; readonly request: CancelRequest };

type RunPlan = Plan<RunCommand>;

/** After a question: its answer is looked at in the next round. */
const LOOK_MS = 50;
const ASK_AGAIN_MS = 1_000;
/** The projection follows the journal in milliseconds. */
const PROJECTION_MS = 2_000;
const WORKFLOW_AGAIN_MS = 5_000;

export function planRun(observed: RunObserved, now: Instant): RunPlan {
  const { root, summary } = observed;
  const closed = summary?.status === 'Closed' || root.status?.status === 'Closed';
  if (isDeleting(root)) return planRemoval(observed, closed);
  if (summary?.status === 'Closed') return { commands: release(root), ...mirror(root, summary, now) };
  if (closed) return { commands: release(root) };
  if (!hasFinalizer(root)) return { commands: [finalizer(root, true)] };
  if (summary === undefined) return planStart(observed, now);
  const paused = planPause(observed, summary, now);
  if (root.spec.cancel !== true) return paused;
  const cancelled = planCancel(observed, summary, now);
  return { ...cancelled, commands: [...cancelled.commands, ...paused.commands] };
}

/** What spec.suspend says and the journal does not is asked for, until an engine has taken it. */
function planPause({ root, suspended, projected = true }: RunObserved, summary: RunSummary, now: Instant): RunPlan {
  const frozen = summary.frozen?.some(({ source }) => source === 'object') ?? false;
  const wanted = root.spec.suspend === true;
  if (frozen === wanted || suspended?.kind === 'Refused') {
    const again = projected ? {} : { requeueAfterMs: PROJECTION_MS };
    return { commands: [], ...mirror(root, summary, now), ...again };
  }
  const asked = suspended?.kind === 'Done';
  return {
    commands: asked ? [] : [pause(root, summary.run, wanted)],
    ...mirror(root, summary, now),
    requeueAfterMs: asked ? PROJECTION_MS : ASK_AGAIN_MS,
  };
}

function planStart(observed: RunObserved, now: Instant): RunPlan {
  const { root, run } = observed;
  if (root.spec.cancel === true && root.status?.run === undefined) {
    const verdict = ready('Cancelled', 'Cancelled before it was started.');
    const fields = { status: 'Closed', outcome: 'cancelled' };
    return { commands: release(root), ...told(root, { verdict, more: [succeeded('cancelled')], fields }, now) };
  }
  if (root.spec.suspend === true && root.status?.run === undefined) {
    const verdict = waiting('Frozen', 'spec.suspend is true: the run is started when it is false.');
    return { commands: [], ...told(root, { verdict }, now) };
  }
  const verdict = blocker(observed);
  if (verdict === undefined && run !== undefined) return planAsk(root, run, observed.answer, now);
  return { commands: [], ...told(root, { verdict: verdict ?? notYet(root) }, now), requeueAfterMs: WORKFLOW_AGAIN_MS };
}

function planAsk(root: WorkflowRunObject, run: string, answer: Answer | undefined, now: Instant): RunPlan {
  const fields = { run };
  const start: RunCommand = { kind: 'start', uid: root.metadata.uid ?? '', request: startRequest(root, run) };
  switch (answer?.kind) {
    case 'Refused': {
      const reason = answer.code === 'INVALID_INPUT' ? 'InputInvalid' : 'StartRefused';
      const verdict = stalled(reason, `The engine refused to start the run: ${answer.message}`);
      return { commands: [], ...told(root, { verdict, fields }, now) };
    }
    case 'Later': {
      const verdict = waiting(
        'Overloaded',
        `The run is not started yet: ${answer.message}. It is tried again by itself.`,
      );
      return { commands: [start], ...told(root, { verdict, fields }, now), requeueAfterMs: ASK_AGAIN_MS };
    }
    case 'NoAnswer': {
      const verdict = reconciling('JournalUnavailable', `No engine answered (${answer.message}); it is asked again.`);
      return { commands: [start], ...told(root, { verdict, fields }, now), requeueAfterMs: ASK_AGAIN_MS };
    }
    case 'Done': {
      // It was shown before: what it says stays, until somebody tells more.
      if (root.status?.status !== undefined) return { commands: [], requeueAfterMs: PROJECTION_MS };
      const verdict = reconciling('Starting', `Run ${run} is started.`);
      return { commands: [], ...told(root, { verdict, fields }, now), requeueAfterMs: PROJECTION_MS };
    }
    case undefined: {
      const verdict = reconciling('Starting', `Run ${run} is being started.`);
      return { commands: [start], ...told(root, { verdict, fields }, now), requeueAfterMs: LOOK_MS };
    }
  }
}

/** Why it cannot start yet, or ever. */
function blocker({ root, workflowAccepted, missing }: RunObserved): Verdict | undefined {
  const wrong = wrongStart(root);
  if (wrong !== undefined) return stalled('InputInvalid', `${wrong}; create a new WorkflowRun`);
  if (missing !== undefined) return waiting(missing.reason, missing.message);
  return workflowAccepted ? undefined : notYet(root);
}

/** The schema knows how a time is written, not which times there are. */
function wrongStart({ metadata, spec: { startAt } }: WorkflowRunObject): string | undefined {
  if (startAt === undefined) return undefined;
  const at = timeMs(startAt);
  if (at === undefined) return `spec.startAt is ${startAt}, which no calendar has`;
  const late = at - Date.parse(metadata.creationTimestamp ?? '') > aheadMaxMs;
  return late ? `spec.startAt is ${startAt}; allowed is at most 366 days ahead` : undefined;
}

const notYet = ({ spec }: WorkflowRunObject): Verdict =>
  waiting(
    'WorkflowNotAccepted',
    `Workflow ${spec.workflowRef.name} has no accepted version yet; the run starts when it has.`,
  );

function startRequest({ metadata, spec }: WorkflowRunObject, run: string): StartRequest {
  return {
    run,
    namespace: metadata.namespace ?? '',
    workflow: spec.workflowRef.name,
    input: (spec.input ?? {}) as JsonObject,
    key: spec.key ?? metadata.name,
    requestedBy: requesterOf({ metadata }),
    source: 'object',
    object: { name: metadata.name, uid: metadata.uid ?? '' },
    ...(spec.priority === undefined ? {} : { priority: spec.priority }),
    // What cannot be read was refused before, and would never start.
    ...(spec.startAt === undefined ? {} : { startAt: timeMs(spec.startAt) ?? Number.MAX_SAFE_INTEGER }),
  };
}

/** Stamped by the API server; absent only where its admission policy is not installed. */
const requesterOf = ({ metadata }: Pick<WorkflowRunObject, 'metadata'>): string =>
  metadata.annotations?.[annotation.requestedBy] ?? 'kubectl';

/** Who changed or deleted the object is in the audit log of the API server, not in the object: nobody is named for it. */
const nameOf = ({ metadata }: Pick<WorkflowRunObject, 'metadata'>): string => `workflowrun/${metadata.name}`;

/** Asks for the cancel until an engine has taken it; the journal then closes the run. */
function planCancel({ root, cancelled }: RunObserved, summary: RunSummary, now: Instant): RunPlan {
  const asked = cancelled?.kind === 'Done' || cancelled?.kind === 'Refused';
  return {
    commands: asked ? [] : [cancel(root, summary.run, 'spec.cancel was set to true')],
    ...mirror(root, summary, now),
    ...(cancelled?.kind === 'Refused' ? {} : { requeueAfterMs: asked ? PROJECTION_MS : ASK_AGAIN_MS }),
  };
}

/** The object stays until its run is closed: no run goes on that nobody can see. */
function planRemoval({ root, summary, answer, cancelled }: RunObserved, closed: boolean): RunPlan {
  if (!hasFinalizer(root)) return { commands: [] };
  const run = summary === undefined ? root.status?.run : summary.run;
  const refused = summary === undefined && answer?.kind === 'Refused';
  if (closed || refused || run === undefined || cancelled?.kind === 'Refused') {
    return { commands: [finalizer(root, false)] };
  }
  if (cancelled?.kind === 'Done') return { commands: [], requeueAfterMs: PROJECTION_MS };
  return {
    commands: [cancel(root, run, 'it was deleted')],
    requeueAfterMs: cancelled === undefined ? LOOK_MS : ASK_AGAIN_MS,
  };
}

const cancel = (root: WorkflowRunObject, run: string, reason: string): RunCommand => ({
  kind: 'cancel',
  uid: cancelKey(root),
  request: { namespace: root.metadata.namespace ?? '', run, by: nameOf(root), reason },
});

const pause = (root: WorkflowRunObject, run: string, wanted: boolean): RunCommand => ({
  kind: wanted ? 'freeze' : 'resume',
  uid: pauseKey(root),
  request: {
    namespace: root.metadata.namespace ?? '',
    run,
    source: 'object',
    by: nameOf(root),
    reason: `spec.suspend is ${wanted}`,
  },
});

/** Under which the answer to a freeze or resume is remembered: each change of the spec is asked for anew. */
export const pauseKey = ({ metadata }: WorkflowRunObject): string =>
  `${metadata.uid}/pause/${metadata.generation ?? 0}`;

/** Under which the answer to a cancel is remembered. */
export const cancelKey = ({ metadata }: WorkflowRunObject): string => `${metadata.uid}/cancel`;

/** The object says what the journal says. */
function mirror(root: WorkflowRunObject, summary: RunSummary, now: Instant): Pick<RunPlan, 'status' | 'events'> {
  const fields: Status = {
    run: summary.run,
    workflowDigest: summary.workflowDigest,
    state: summary.state,
    status: summary.status,
    outcome: summary.outcome,
    costMicros: summary.costMicros,
    effects: summary.effects,
    escalation: summary.escalation,
    startedAt: time(summary.startedAt),
    closedAt: summary.closedAt === undefined ? undefined : time(summary.closedAt),
  };
  const more = summary.status === 'Closed' ? [succeeded(summary.outcome ?? '', summary.message)] : [];
  return told(root, { verdict: verdictOf(summary), more, fields: defined(fields) }, now);
}

function verdictOf(summary: RunSummary): Verdict {
  switch (summary.status) {
    case 'Running':
      return reconciling('Running', summary.message);
    case 'Waiting':
      return reconciling(summary.escalation === undefined ? 'Waiting' : 'Escalated', summary.message);
    case 'Frozen':
      return waiting('Frozen', summary.message);
    case 'Closed':
      return ready('Closed', summary.message);
  }
}

function succeeded(outcome: string, message = `The run ended with outcome ${outcome}.`): ConditionFinding {
  const ended = { success: 'Succeeded', cancelled: 'Cancelled' }[outcome] ?? 'Failed';
  return { type: 'Succeeded', status: outcome === 'success' ? 'True' : 'False', reason: ended, message };
}

const time = (at: Instant): string => new Date(at).toISOString();

const defined = (status: Status): Status =>
  Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined));

const release = (root: WorkflowRunObject): readonly Command[] => (hasFinalizer(root) ? [finalizer(root, false)] : []);

const finalizer = (object: WorkflowRunObject, present: boolean): Command => ({
  kind: 'finalizer',
  resource: WORKFLOW_RUN,
  object,
  present,
});
