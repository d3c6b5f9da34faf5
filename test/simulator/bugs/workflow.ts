// Owns: bugs in how runs move on, wait, ask people and are looked after.
import type { Bug } from './bug.ts';

const decide = 'core/workflow/decide.ts';
const authorize = 'core/workflow/authorize.ts';

export const workflowBugs: readonly Bug[] = [
  {
    name: 'approval-not-consumed',
    what: 'an approval is used without an event that consumes it',
    breaks: ['I6', 'I1'],
    edits: [
      {
        file: authorize,
        find: "if (!given.consumed) draft.add({ type: 'ApprovalConsumed'",
        replace: "if (given.consumed) draft.add({ type: 'ApprovalConsumed'",
      },
    ],
  },
  {
    name: 'approval-not-needed',
    what: 'an approval that is absent counts',
    breaks: ['I6', 'I1'],
    edits: [
      {
        file: authorize,
        find: "if (given === undefined || digest === undefined) return 'absent';",
        replace: "if (given === undefined || digest === undefined) return 'consumed';",
      },
    ],
  },
  {
    name: 'decision-digest-unchecked',
    what: 'a decision for something else counts',
    breaks: ['I6'],
    edits: [
      {
        file: decide,
        find: 'if (request.digest !== open.facts.digest) {',
        replace: "if (request.digest === 'never') {",
      },
    ],
  },
  {
    name: 'decision-queue-unchecked',
    what: 'somebody of another queue decides',
    breaks: ['I6'],
    edits: [
      { file: decide, find: 'if (request.queue !== open.facts.queue) {', replace: "if (request.queue === 'never') {" },
    ],
  },
  {
    name: 'own-approval',
    what: 'who asked for the run decides it',
    breaks: ['I6'],
    edits: [
      { file: decide, find: 'if (request.by === state.requestedBy) {', replace: "if (request.by === 'never') {" },
    ],
  },
  {
    name: 'late-decision',
    what: 'a decision counts after the deadline',
    breaks: ['I6'],
    scene: { focus: 'people', workflow: 'visit' },
    edits: [{ file: decide, find: 'if (now >= open.facts.deadline) {', replace: 'if (now < 0) {' }],
  },
  {
    name: 'goes-on-while-asked',
    what: 'a run goes on although a person was asked',
    breaks: ['I5'],
    edits: [
      {
        file: 'core/workflow/current.ts',
        find: '  if (state.escalation !== undefined) {',
        replace: "  if (state.escalation?.facts.queue === 'never') {",
      },
    ],
  },
  {
    name: 'escalation-dropped-at-the-end',
    what: 'the time of a task ends it although a person was asked',
    breaks: ['I5'],
    edits: [
      {
        file: 'core/workflow/due.ts',
        find: '  } else if (state.escalation !== undefined) expire(draft, state.escalation);',
        replace:
          '  } else if (state.escalation !== undefined && state.activity === undefined) expire(draft, state.escalation);',
      },
    ],
  },
  {
    name: 'stale-attempt',
    what: 'a report of an attempt that is over counts',
    breaks: ['I3', 'I13', 'I1', 'I16'],
    edits: [
      {
        file: 'core/workflow/current.ts',
        find: ' || activity.attempt !== target.attempt) {',
        replace: ' || activity.attempt < target.attempt) {',
      },
    ],
  },
  {
    name: 'verifier-skipped',
    what: 'a result is committed without the verifier',
    breaks: ['I3'],
    edits: [
      {
        file: 'core/workflow/report.ts',
        find: 'if (bundle.verifier.model === undefined) return',
        replace: "if (bundle.verifier.model !== 'never') return",
      },
    ],
  },
  {
    name: 'backup-again',
    what: 'the backup route is taken again and again',
    breaks: ['I4'],
    edits: [
      {
        file: 'core/workflow/failure.ts',
        find: " || activity.routes.includes('backup')) return false;",
        replace: ') return false;',
      },
    ],
  },
  {
    name: 'timers-too-early',
    what: 'a timer fires before its time, and nobody looks again',
    breaks: ['I5', 'I10'],
    edits: [
      {
        file: 'runtime/engine/timers.ts',
        find: 'first !== undefined && first.at <= now; first',
        replace: 'first !== undefined && first.at <= now + 4_000; first',
      },
      {
        file: 'runtime/engine/timers.ts',
        find: 'Math.max(0, first.at - this.#now())',
        replace: 'Math.max(0, first.at - this.#now() - 4_000)',
      },
      {
        file: 'core/workflow/due.ts',
        find: 'if (due === undefined || now < due) return',
        replace: 'if (due === undefined) return',
      },
    ],
  },
  {
    name: 'event-twice',
    what: 'a bus event that comes again is taken again',
    breaks: ['I10'],
    edits: [
      {
        file: 'core/workflow/deliver.ts',
        find: 'if (state.busEvents.includes(request.id)) return',
        replace: "if (state.busEvents.includes('never')) return",
      },
    ],
  },
  {
    name: 'cancel-answered-only',
    what: 'a cancel is answered and not carried out',
    breaks: ['I1'],
    edits: [
      {
        file: decide,
        find: "  draft.add({ type: 'CancelRequested', by: request.by, reason: request.reason });",
        replace: "  if (draft.now > 0) return { events: [], reply: { ok: true, result: { message: 'cancelled' } } };",
      },
    ],
  },
  {
    name: 'fallback-forgotten',
    what: 'the workflow that takes over is never started',
    breaks: ['I1'],
    edits: [
      {
        file: 'core/workflow/plan.ts',
        find: '  if (fallback !== undefined) {',
        replace: "  if (fallback?.workflow === 'never') {",
      },
    ],
  },
];
