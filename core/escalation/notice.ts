// Owns: questions that no run's history asks: of runs that only a newer engine can go on with, and of messages that were given
// up. They are derived, and close by themselves when their cause is gone.
import type { DeadLetter } from '../../api/messages/dead-letter.ts';
import { deadLetterReasons } from '../../api/messages/dead-letter.ts';
import type { EscalationRecord, NoticeSignal } from '../../api/messages/history.ts';
import { digest } from '../canonical/canonical.ts';
import type { RunState } from '../workflow/state.ts';

/** Where nobody has named a queue. */
const queue = 'default';
const evidenceMax = 16;
/** A notice does not expire; its object needs a date all the same. */
const forLongMs = 365 * 86_400_000;
const prefix = 'deadletters-';

/** A run that stands still until a newer engine comes. `why` is the same as long as the cause is. */
export function parkedNotice(state: RunState, why: string): EscalationRecord {
  const { namespace, run, workflow, requestedBy, costMicros } = state;
  const since = state.parkedAt ?? state.enteredAt;
  return {
    namespace,
    run,
    workflow,
    requestedBy,
    costMicros,
    openedAt: since,
    status: 'Open',
    escalation: notice({
      id: `${run}-parked`.toLowerCase(),
      signal: 'unknownVersion',
      question: `Run ${run} stands still: ${why}. Nothing is lost; it goes on by itself, and this closes, when a newer engine serves it. Is the newer version on its way?`,
      evidence: [
        `state ${state.state || '(not begun)'}, event ${state.seq}`,
        `workflow ${workflow} at ${state.workflowDigest}`,
      ],
      state: state.state || 'start',
      since,
    }),
  };
}

/** One question for all open letters of a group; undefined when none is open. */
export function lettersNotice(group: readonly DeadLetter[]): EscalationRecord | undefined {
  const open = group.filter(({ state }) => state === 'Open').toSorted((left, right) => left.firstAt - right.firstAt);
  const [first] = open;
  if (first === undefined) return undefined;
  const { namespace, origin, reason, cause } = first;
  const what = `${origin.kind} ${origin.name}${origin.workflow === undefined ? '' : ` of workflow ${origin.workflow}`}`;
  return {
    namespace,
    run: lettersRun(first.group),
    workflow: origin.workflow ?? 'none',
    requestedBy: '',
    costMicros: 0,
    openedAt: first.firstAt,
    status: 'Open',
    escalation: notice({
      id: lettersRun(first.group),
      signal: 'deadLetter',
      question: `Given up (${reason}), ${what}: ${cause.message}. Approve: try every letter of the group again. Reject: drop them. Look first: signalbox deadletters list -n ${namespace} --group ${first.group}`,
      evidence: [
        deadLetterReasons[reason],
        ...open
          .slice(0, evidenceMax)
          .map((letter) => `letter ${letter.id}: ${letter.origin.item}, ${letter.cause.code}`),
      ],
      state: 'none',
      since: first.firstAt,
    }),
  };
}

/** Stands for the run in a group's question and in the answer to it. */
export const lettersRun = (group: string): string => `${prefix}${group}`;

/** The group that an answer is about; undefined when it is about a run. */
export function groupOfRun(run: string): string | undefined {
  return run.startsWith(prefix) ? run.slice(prefix.length) : undefined;
}

function notice(of: {
  readonly id: string;
  readonly signal: NoticeSignal;
  readonly question: string;
  readonly evidence: readonly string[];
  readonly state: string;
  readonly since: number;
}): EscalationRecord['escalation'] {
  const { id, signal, question, evidence, state, since } = of;
  return {
    id,
    signal,
    action: 'humanQueue',
    queue,
    question,
    evidence,
    digest: digest({ id, signal }),
    state,
    deadline: since + forLongMs,
  };
}
