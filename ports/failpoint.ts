// Owns: the moments at which a process can be made to die on purpose, one before and one after each arrow of the protocols.
//   F1: this list is the only one: every name stands in the code exactly once, in the file said here, and is swept by
//       `make crash-sweep`.
//   F2: unarmed, a failpoint is one comparison. It is armed by SIGNALBOX_FAILPOINT alone, once, when the process begins.

export interface Failpoint {
  /** Where the code passes it. */
  readonly file: string;
  /** What it is passed with, one sweep each; absent: it is passed without. */
  readonly subjects?: readonly string[];
  /** What a death there leads to. */
  readonly leads: string;
}

const control = [
  'start',
  'cancel',
  'decide',
  'authorize',
  'deliver',
  'signal',
  'freeze',
  'resume',
  'readonly',
  'child',
  'child-closed',
];
const reports = ['claim', 'turn', 'complete', 'fail'];
const asks = ['model', 'tool', 'verify'];
const workerAsks = ['claim', 'model', 'propose', 'tool', 'turn', 'verify', 'complete', 'fail'];
const people = ['Escalation', 'Decision', 'BundleRollout', 'RolloutCommand'];
const kinds = ['ServiceAccount', 'Deployment', 'ConfigMap', ...people];
const statuses = ['Agent', 'Workflow', 'WorkflowRun', ...people];
const owners = ['Agent', 'Bundle', 'Workflow', 'WorkflowRun'];
const finalizers = owners.flatMap((kind) => [`${kind}/added`, `${kind}/removed`]);
const runVerbs = ['start', 'cancel', 'decide', 'freeze', 'resume'];
const busCommands = ['publish', 'withdraw', 'ensureConsumer', 'deleteConsumer'];

export const failpoints = {
  'engine.lease.held': {
    file: 'runtime/engine/owner.ts',
    leads: 'The partition waits until the lease is over, or for the same pod to come back.',
  },
  'engine.load.folded': {
    file: 'runtime/engine/owner.ts',
    leads: 'The next owner folds the same records: a takeover writes nothing.',
  },
  'engine.load.served': {
    file: 'runtime/engine/owner.ts',
    leads: 'What was asked gets no answer and is asked again of the next owner.',
  },
  'engine.ask.received': {
    file: 'runtime/engine/control.ts',
    subjects: control,
    leads: 'Nothing had happened; who asked asks again.',
  },
  'engine.ask.decided': {
    file: 'runtime/engine/control.ts',
    subjects: control,
    leads: 'The fact is on disk without a reply; the same request again is recognised and gets the same answer.',
  },
  'engine.report.received': {
    file: 'runtime/engine/worker-asks.ts',
    subjects: reports,
    leads: 'Nothing had happened; the worker reports again.',
  },
  'engine.report.decided': {
    file: 'runtime/engine/worker-asks.ts',
    subjects: reports,
    leads: 'The fact is on disk without a reply; the worker’s repeat makes no event and gets the same answer.',
  },
  'engine.assignment.paid': {
    file: 'runtime/engine/assigner.ts',
    leads:
      'A canary is paid for and given to no key: the share is lower by it. The start is asked again and draws again.',
  },
  'engine.assignment.made': {
    file: 'runtime/engine/assigner.ts',
    leads: 'The key has its arm without a run; the start asked again, or the next run of the key, finds it.',
  },
  'engine.append.before': {
    file: 'runtime/engine/partition.ts',
    leads: 'What was decided in memory never was; every asker of this record asks again.',
  },
  'engine.append.after': {
    file: 'runtime/engine/partition.ts',
    leads: 'The record is a fact that nobody heard of; tasks, timers and projections follow from it at the next owner.',
  },
  'engine.archive.before': {
    file: 'runtime/engine/checkpointer.ts',
    leads: 'Nothing was written; the next owner makes its own checkpoint when one is due.',
  },
  'engine.archive.stored': {
    file: 'runtime/engine/checkpointer.ts',
    leads: 'A segment that no checkpoint names; the same events are archived again, and it is taken away in time.',
  },
  'engine.checkpoint.before': {
    file: 'runtime/engine/checkpointer.ts',
    leads: 'Segments that no checkpoint names; the journal has everything.',
  },
  'engine.checkpoint.part': {
    file: 'adapters/nats/checkpoints.ts',
    leads:
      'A checkpoint without its last message does not count; the one before it does, and the journal has the rest.',
  },
  'engine.checkpoint.last': {
    file: 'adapters/nats/checkpoints.ts',
    leads:
      'A checkpoint without its last message does not count; the one before it does, and the journal has the rest.',
  },
  'engine.checkpoint.complete': {
    file: 'runtime/engine/checkpointer.ts',
    leads:
      'It counts; the journal still has records from before it, which are skipped, and taken away by the next one.',
  },
  'engine.purge.journal': {
    file: 'runtime/engine/checkpointer.ts',
    leads:
      'The checkpoint and the records after it are everything; the older checkpoint is taken away by the next one.',
  },
  'engine.purge.checkpoints': {
    file: 'runtime/engine/checkpointer.ts',
    leads: 'Segments that no run needs are taken away by the next checkpoint.',
  },
  'engine.purge.archive': {
    file: 'runtime/engine/checkpointer.ts',
    leads: 'Nothing is missing.',
  },
  'engine.blob.written': {
    file: 'adapters/nats/blobs.ts',
    leads: 'Content that no object names; written again under another name.',
  },
  'engine.blob.stored': {
    file: 'adapters/nats/journal.ts',
    leads: 'A blob without a record that names it; written again under the same digest.',
  },
  'engine.task.before': {
    file: 'runtime/engine/dispatch.ts',
    leads: 'The task is planned again from folded state.',
  },
  'engine.task.published': {
    file: 'runtime/engine/dispatch.ts',
    leads: 'The task may be published twice; the second claim finds the first.',
  },
  'engine.timer.due': {
    file: 'runtime/engine/serving.ts',
    leads: 'The deadline is folded state and long past: it fires at the next owner.',
  },
  'engine.timer.fired': {
    file: 'runtime/engine/serving.ts',
    leads: 'The run has moved on; the same timer again finds nothing due.',
  },
  'engine.fallback.before': {
    file: 'runtime/engine/fallbacks.ts',
    leads: 'The closed run names its successor; the next owner starts it.',
  },
  'engine.fallback.started': {
    file: 'runtime/engine/fallbacks.ts',
    leads: 'The successor is asked for again; its run id follows from the first run, so it is the same run.',
  },
  'engine.child.before': {
    file: 'runtime/engine/children.ts',
    leads: 'The child is named in the parent’s history; the next owner asks for it.',
  },
  'engine.child.answered': {
    file: 'runtime/engine/children.ts',
    leads: 'The child is asked for again; its run id follows from the parent, so it is the same run.',
  },
  'engine.child.joined': {
    file: 'runtime/engine/children.ts',
    leads: 'The child’s end is a fact of the parent; told again it makes no event.',
  },
  'engine.projection.before': {
    file: 'runtime/engine/projections.ts',
    leads: 'People see the old state until the next owner writes its projections again, which it does at once.',
  },
  'engine.projection.escalation': {
    file: 'runtime/engine/projections.ts',
    leads: 'The question is shown, the run’s summary follows from the next owner; the entry is written again as it is.',
  },
  'engine.projection.run': {
    file: 'runtime/engine/projections.ts',
    leads: 'Nothing is missing; written again it is the same entry.',
  },
  'engine.schedule.noted': {
    file: 'runtime/engine/schedules.ts',
    leads: 'The due time is written as pending; whoever serves the schedule next starts it.',
  },
  'engine.schedule.started': {
    file: 'runtime/engine/schedules.ts',
    leads: 'It is still pending and started again; the run’s id follows from the due time, so it is the same run.',
  },
  'engine.schedule.settled': {
    file: 'runtime/engine/schedules.ts',
    leads: 'Nothing is missing.',
  },
  'engine.event.received': {
    file: 'runtime/engine/bus-events.ts',
    leads: 'The event is not acknowledged and comes again.',
  },
  'engine.event.taken': {
    file: 'runtime/engine/bus-events.ts',
    leads: 'The event comes again; runs that took it know its id, a run that it started has its key.',
  },
  'engine.letter.before': {
    file: 'adapters/nats/dead-letters.ts',
    leads: 'Nothing is kept and the event is not acknowledged: it comes again and is given up again.',
  },
  'engine.letter.noted': {
    file: 'adapters/nats/dead-letters.ts',
    leads: 'The event comes again; given up again it is the same letter, with one more attempt.',
  },
  'engine.letter.retried': {
    file: 'runtime/engine/dead-letters.ts',
    leads: 'The letter is still open and decided again; what a second retry starts is recognised.',
  },
  'engine.letter.decided': {
    file: 'runtime/engine/dead-letters.ts',
    leads: 'The answer is lost; asked again it is STALE, with who decided.',
  },
  'gateway.ask.received': {
    file: 'runtime/gateway/gateway.ts',
    subjects: asks,
    leads: 'Nothing had happened; the worker asks again.',
  },
  'gateway.ask.answered': {
    file: 'runtime/gateway/gateway.ts',
    subjects: asks,
    leads:
      'The answer is lost. A tool with an effect: the ledger has the result. A read or a model: it is asked again.',
  },
  'gateway.call.cleared': {
    file: 'runtime/gateway/tool-ask.ts',
    leads: 'An approval is consumed for exactly this call; asked again it is the same consumption.',
  },
  'gateway.ledger.opening': {
    file: 'runtime/gateway/effect.ts',
    leads: 'Nothing was sent; the call is made by whoever is asked next.',
  },
  'gateway.ledger.opened': {
    file: 'runtime/gateway/effect.ts',
    leads:
      'Nobody knows whether it was sent: repeated with its key, or looked up with the query tool, or Ambiguous and asked of a person.',
  },
  'gateway.tool.answered': {
    file: 'runtime/gateway/effect.ts',
    leads:
      'It happened and nobody wrote it down: the tool recognises its key, or the query tool finds it, or Ambiguous and asked of a person.',
  },
  'gateway.ledger.settled': {
    file: 'runtime/gateway/effect.ts',
    leads: 'The next ask gets the stored result.',
  },
  'gateway.query.before': {
    file: 'runtime/gateway/effect.ts',
    leads: 'The open entry stands; the next ask looks it up again.',
  },
  'gateway.query.answered': {
    file: 'runtime/gateway/effect.ts',
    leads: 'What was found is not written; the next ask looks it up again.',
  },
  'gateway.ledger.confirmed': {
    file: 'runtime/gateway/effect.ts',
    leads: 'The next ask gets the result that was found.',
  },
  'gateway.ledger.ambiguous': {
    file: 'runtime/gateway/effect.ts',
    leads: 'The entry says Ambiguous for ever; the next ask says so, and a person is asked once.',
  },
  'gateway.receipt.signed': {
    file: 'runtime/gateway/receipt.ts',
    leads: 'The receipt is lost; the same ask gets another one with the same digest.',
  },
  'gateway.model.before': {
    file: 'runtime/gateway/model-call.ts',
    leads: 'The model is asked by whoever is asked next.',
  },
  'gateway.model.answered': {
    file: 'runtime/gateway/model-call.ts',
    leads: 'The answer is lost and paid for again: model calls are reads.',
  },
  'worker.task.received': {
    file: 'runtime/worker/worker.ts',
    leads: 'The task is not acknowledged; it is published again.',
  },
  'worker.ask.before': {
    file: 'runtime/worker/asks.ts',
    subjects: workerAsks,
    leads: 'Its claim is over after 3 s of silence; the next worker goes on after the last recorded turn.',
  },
  'worker.ask.answered': {
    file: 'runtime/worker/asks.ts',
    subjects: workerAsks,
    leads:
      'What was proposed or reported is a fact and not repeated. A call with an effect, made again, gets its stored result; reads and models are asked again.',
  },
  'worker.task.acked': {
    file: 'runtime/worker/worker.ts',
    leads: 'Nothing is missing.',
  },
  'operator.streams.made': {
    file: 'operator/main.ts',
    leads: 'The next start makes what is missing and leaves what is there.',
  },
  'operator.apply.before': {
    file: 'operator/apply.ts',
    subjects: kinds,
    leads: 'The object is missing; the next leader plans the same.',
  },
  'operator.apply.written': {
    file: 'operator/apply.ts',
    subjects: kinds,
    leads: 'The object has a deterministic name: the next leader finds it and writes nothing.',
  },
  'operator.delete.before': {
    file: 'operator/apply.ts',
    subjects: ['Deployment'],
    leads: 'The object is still there; the next leader deletes it.',
  },
  'operator.delete.done': {
    file: 'operator/apply.ts',
    subjects: ['Deployment'],
    leads: 'What follows from the deletion is planned again from what is there.',
  },
  'operator.status.before': {
    file: 'operator/apply.ts',
    subjects: statuses,
    leads: 'The status is behind; the next leader writes it.',
  },
  'operator.status.written': {
    file: 'operator/apply.ts',
    subjects: statuses,
    leads: 'The next leader finds the status as it wants it and writes nothing.',
  },
  'operator.finalizer.before': {
    file: 'operator/apply.ts',
    subjects: finalizers,
    leads: 'Adding: nothing was made yet. Removing: everything is cleaned up already, and cleaned up again.',
  },
  'operator.finalizer.written': {
    file: 'operator/apply.ts',
    subjects: finalizers,
    leads: 'Added: the next leader goes on. Removed: the object is gone and left nothing.',
  },
  'operator.engine.before': {
    file: 'operator/catalog/engine.ts',
    subjects: runVerbs,
    leads: 'The engine was not asked; the next leader asks it.',
  },
  'operator.engine.answered': {
    file: 'operator/catalog/engine.ts',
    subjects: runVerbs,
    leads:
      'The answer is lost; the next leader asks again and the engine recognises it: started, cancelled, decided, frozen, resumed once.',
  },
  'operator.evidence.before': {
    file: 'operator/rollout/evidence.ts',
    leads:
      'The log is behind; the next leader reads it, asks the engines from the beginning, and appends what is missing.',
  },
  'operator.evidence.appended': {
    file: 'operator/rollout/evidence.ts',
    leads: 'The log has it; the next leader folds the log, and what engines tell again counts once.',
  },
  'operator.bus.before': {
    file: 'operator/catalog/commands.ts',
    subjects: busCommands,
    leads: 'The next leader compares catalog and consumers with what it wants, and does it.',
  },
  'operator.bus.done': {
    file: 'operator/catalog/commands.ts',
    subjects: busCommands,
    leads: 'The next leader sees that it is done.',
  },
} as const satisfies Readonly<Record<string, Failpoint>>;

export type FailpointName = keyof typeof failpoints;

/** What an armed process does when it passes a failpoint. */
export type OnFailpoint = (name: FailpointName, subject: string | undefined) => void;

let armed: OnFailpoint | undefined;

/** The process passes this moment. */
export function failpoint(name: FailpointName, subject?: string): void {
  if (armed !== undefined) armed(name, subject);
}

/** Undefined disarms. */
export function armFailpoints(act: OnFailpoint | undefined): void {
  armed = act;
}

/** Every moment there is: `name`, or `name/subject` for each subject. */
export function moments(): readonly string[] {
  return Object.entries<Failpoint>(failpoints).flatMap(([name, { subjects }]) =>
    subjects === undefined ? [name] : subjects.map((subject) => `${name}/${subject}`),
  );
}
