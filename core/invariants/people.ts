// Owns: what must hold of questions and answers.
//   I5: open in exactly one queue, decided at most once, never dropped.   I6: an approved effect has its own decision.
//   I11: what people see is what happened.
import type { EscalationFacts, HistoryEvent } from '../../api/messages/history.ts';
import type { Calls } from './calls.ts';
import type { Checker, FactOf, Report, Rules } from './facts.ts';
import type { RunTrace } from './trace.ts';

type Decided = Extract<HistoryEvent, { readonly type: 'EscalationDecided' }>;

export function escalationsAreKept(report: Report): Checker {
  const ended = new Map<string, string>();
  const decisions = new Map<string, string>();
  const told = new Map<string, FactOf<'Acknowledged'>>();
  const runs = new Map<string, RunTrace>();
  const wrong = (run: string, sentence: string): void => report({ invariant: 'I5', run, sentence });
  const end = ({ run, openEscalation }: RunTrace, id: string, how: string): void => {
    const before = ended.get(id);
    if (before !== undefined) wrong(run, `escalation ${id} was ${before}, and then ${how}`);
    else if (openEscalation !== id)
      wrong(run, `escalation ${id} was ${how} while ${openEscalation ?? 'none'} was open`);
    ended.set(id, how);
  };
  return {
    event(trace, event) {
      runs.set(trace.run, trace);
      const sentence = thoughFrozen(trace, event) ?? misplaced(trace, event);
      if (sentence !== undefined) wrong(trace.run, sentence);
      if (event.type === 'EscalationExpired') end(trace, event.id, 'expired');
      if (event.type !== 'EscalationDecided') return;
      end(trace, event.id, 'decided');
      const used = decisions.get(event.decision);
      if (used !== undefined) wrong(trace.run, `decision ${event.decision} was used for ${used} and for ${event.id}`);
      decisions.set(event.decision, event.id);
    },
    see(fact) {
      if (fact.kind === 'Acknowledged' && fact.what === 'decision' && fact.id !== undefined) told.set(fact.id, fact);
      if (fact.kind === 'Listed') listed(fact, runs, report);
    },
    end() {
      for (const [decision, { run }] of told) {
        if (!decisions.has(decision)) wrong(run, `decision ${decision} was acknowledged and is not in the history`);
      }
    },
  };
}

/** What a person stopped does nothing: no step, call, timer or answer. */
const stopped: readonly HistoryEvent['type'][] = [
  'StateEntered',
  'ActivityScheduled',
  'ActivityCompleted',
  'TurnProposed',
  'ApprovalConsumed',
  'WaitElapsed',
  'EscalationDecided',
  'EscalationExpired',
];
const goesOn: readonly HistoryEvent['type'][] = ['StateEntered', 'ActivityScheduled', 'ActivityCompleted'];
/** Who cancels or runs out of time need not wait for people. */
const endsAnyway: readonly string[] = ['cancelled', 'timedOut'];

function thoughFrozen({ holds }: RunTrace, { type }: HistoryEvent): string | undefined {
  return holds.size > 0 && stopped.includes(type) ? `${type} while ${[...holds].join(', ')} had it frozen` : undefined;
}

/** What is wrong with an event where it stands, undefined when nothing. */
function misplaced({ openEscalation, escalations }: RunTrace, event: HistoryEvent): string | undefined {
  if (event.type === 'EscalationOpened') {
    const { id, queue } = event.escalation;
    if (openEscalation !== undefined) return `escalation ${id} was opened while ${openEscalation} was open`;
    if (escalations.has(id)) return `escalation ${id} was opened twice`;
    return queue === '' ? `escalation ${id} is in no queue` : undefined;
  }
  if (event.type === 'EscalationMoved') {
    return openEscalation === event.id ? undefined : `escalation ${event.id} was moved, but it is not open`;
  }
  if (event.type === 'EscalationExpired') return tooEarly(event.at, escalations.get(event.id)?.facts);
  if (openEscalation === undefined) return undefined;
  if ((event.type === 'RunClosed' || event.type === 'RunEnding') && !endsAnyway.includes(event.outcome)) {
    return `escalation ${openEscalation} was dropped: the run ended as ${event.outcome} while it was open`;
  }
  return goesOn.includes(event.type) ? `${event.type} while escalation ${openEscalation} was open` : undefined;
}

function tooEarly(at: number, asked: EscalationFacts | undefined): string | undefined {
  if (asked === undefined || at >= asked.deadline) return undefined;
  return `escalation ${asked.id} expired at ${at}, before its deadline ${asked.deadline}`;
}

/** The list of questions says of each what its history says, and leaves none out. */
function listed({ escalations }: FactOf<'Listed'>, runs: ReadonlyMap<string, RunTrace>, report: Report): void {
  const shown = new Map(escalations.map((record) => [record.escalation.id, record]));
  for (const trace of runs.values()) {
    for (const [id, { status, queue }] of trace.escalations) {
      const expected = status === 'Open' && trace.closed !== undefined ? 'Closed' : status;
      const record = shown.get(id);
      if (record?.status === expected && (expected !== 'Open' || record.escalation.queue === queue)) continue;
      const found =
        record === undefined ? 'not listed' : `listed as ${record.status} in queue ${record.escalation.queue}`;
      report({
        invariant: 'I11',
        run: trace.run,
        sentence: `escalation ${id} is ${expected} in queue ${queue}, but ${found}`,
      });
    }
  }
}

export function approvedByTheEntitled(report: Report, rules: Rules, calls: Calls): Checker {
  const answers = new Map<string, FactOf<'Answered'>>();
  const granted = new Map<string, Decided>();
  const consumed = new Map<string, string>();
  /** Calls proposed in a task where each effect needs a person. */
  const risky = new Set<string>();
  const wrong = (run: string, sentence: string): void => report({ invariant: 'I6', run, sentence });
  const decided = (trace: RunTrace, event: Decided): void => {
    for (const sentence of wrongDecision(trace, event, { given: answers.get(event.decision), rules })) {
      wrong(trace.run, sentence);
    }
    const facts = trace.escalations.get(event.id)?.facts;
    const proposal = facts?.signal === 'approval' && facts.proposal !== undefined;
    if (proposal && event.option === 'approve') granted.set(`${trace.run} ${event.id}`, event);
  };
  return {
    event(trace, event) {
      const { run } = trace;
      if (event.type === 'EscalationDecided') decided(trace, event);
      if (
        event.type === 'TurnProposed' &&
        rules.highRisk?.includes(`${trace.started?.workflow ?? ''}/${trace.state}`)
      ) {
        for (const call of event.turn.calls) risky.add(calls.digestOf(run, event.activity, call));
      }
      if (event.type !== 'ApprovalConsumed') return;
      const yes = granted.get(`${run} ${event.id}`);
      if (yes?.digest !== event.digest) {
        wrong(run, `approval ${event.id} was consumed for ${event.digest}, approved was ${yes?.digest ?? 'nothing'}`);
      }
      if (consumed.get(event.digest) === event.id) wrong(run, `approval ${event.id} was consumed twice`);
      consumed.set(event.digest, event.id);
    },
    see(fact) {
      if (fact.kind === 'Answered') answers.set(fact.decision, fact);
      if (fact.kind !== 'Applied' || fact.effect === 'read') return;
      const modes = (rules.permissions ?? []).filter(({ tool }) => tool === fact.tool).map(({ mode }) => mode);
      const needed = risky.has(fact.identity) || (modes.length > 0 && modes.every((mode) => mode === 'approve'));
      if (needed && !consumed.has(fact.identity)) {
        wrong(fact.run, `${fact.tool} acted without an approval that was consumed before`);
      }
    },
  };
}

function wrongDecision(
  { started, escalations }: RunTrace,
  event: Decided,
  { given, rules }: { readonly given: FactOf<'Answered'> | undefined; readonly rules: Rules },
): readonly string[] {
  const asked = escalations.get(event.id);
  if (asked === undefined) return [];
  const { by, at, digest } = event;
  const found: string[] = [];
  if (digest !== asked.facts.digest)
    found.push(`${event.id} asks about ${asked.facts.digest}, the decision is for ${digest}`);
  if (by === started?.requestedBy) found.push(`${by} asked for the run and decided it`);
  if (at >= asked.facts.deadline)
    found.push(`${event.id} was decided at ${at}, after its deadline ${asked.facts.deadline}`);
  if (given !== undefined && given.queue !== asked.queue) {
    found.push(`${by} answered in queue ${given.queue}, the question is in ${asked.queue}`);
  }
  if (rules.entitled?.(by, asked.queue) === false) found.push(`${by} may not answer in queue ${asked.queue}`);
  return found;
}
