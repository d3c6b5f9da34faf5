// Owns: what a run's history says, read without the workflow core: the checkers must not believe what they check.
import type { EscalationFacts, HistoryEvent, Receipt, Turn } from '../../api/messages/history.ts';

type Of<T extends HistoryEvent['type']> = Extract<HistoryEvent, { readonly type: T }>;

/** A call with its agent and state, as some turn proposed or reported it. */
export interface ProposedCall {
  readonly tool: string;
  readonly agent: string;
  readonly state: string;
  readonly activity: string;
  readonly readOnly: boolean;
}

/** One run, up to its last event that is a fact. */
export interface RunTrace {
  readonly run: string;
  readonly partition: number;
  seq: number;
  started?: Of<'RunStarted'>;
  closed?: Of<'RunClosed'>;
  state: string;
  activity?: Of<'ActivityScheduled'>;
  readOnly: boolean;
  /** Since when nothing may go on, and who said so. */
  frozenAt?: number;
  readonly holds: Set<string>;
  /** Turns of the current attempt by number, the newest report of each. */
  readonly turns: Map<number, Turn>;
  /** Of each turn that was ever reported, and of verifications: counted once each. */
  costMicros: number;
  /** What closed children say that they have cost. */
  childrenMicros: number;
  readonly escalations: Map<
    string,
    { facts: EscalationFacts; queue: string; status: 'Open' | 'Decided' | 'Expired' | 'Closed' }
  >;
  openEscalation?: string;
}

export const newTrace = (run: string, partition: number): RunTrace => ({
  run,
  partition,
  seq: 0,
  state: '',
  readOnly: false,
  holds: new Set(),
  turns: new Map(),
  costMicros: 0,
  childrenMicros: 0,
  escalations: new Map(),
});

export const receiptsOf = (turn: Turn): readonly Receipt[] =>
  [turn.receipt, ...turn.results.map((result) => result.receipt)].filter((receipt) => receipt !== undefined);

export const costOf = (turn: Turn): number =>
  receiptsOf(turn).reduce((sum, receipt) => sum + (receipt.costMicros ?? 0), 0);

type Followers = { readonly [T in HistoryEvent['type']]?: (trace: RunTrace, event: Of<T>) => void };

const followers: Followers = {
  RunStarted: (trace, event) => {
    trace.started = event;
  },
  RunClosed: (trace, event) => {
    trace.closed = event;
  },
  StateEntered: (trace, event) => {
    trace.state = event.state;
    delete trace.activity;
    trace.turns.clear();
  },
  ActivityScheduled: (trace, event) => {
    trace.activity = event;
    trace.turns.clear();
  },
  TurnProposed: (trace, event) => addTurn(trace, event.turn),
  TurnCompleted: (trace, event) => addTurn(trace, event.turn),
  ActivityCompleted: (trace, event) => {
    trace.costMicros += event.verification.model?.receipt.costMicros ?? 0;
  },
  ChildClosed: (trace, { costMicros }) => {
    trace.childrenMicros += costMicros;
  },
  ReadOnlySet: (trace) => {
    trace.readOnly = true;
  },
  ReadOnlyChanged: (trace, { readOnly }) => {
    trace.readOnly = readOnly;
  },
  RunFrozen: (trace, { source, at }) => {
    trace.holds.add(source);
    trace.frozenAt ??= at;
  },
  RunResumed: (trace, { source, at }) => {
    trace.holds.delete(source);
    if (trace.holds.size > 0 || trace.frozenAt === undefined) return;
    const ms = Math.max(0, at - trace.frozenAt);
    delete trace.frozenAt;
    // The time in which nothing could be answered does not count.
    const open = trace.escalations.get(trace.openEscalation ?? '');
    if (open !== undefined) open.facts = { ...open.facts, deadline: open.facts.deadline + ms };
  },
  EscalationOpened: (trace, { escalation }) => {
    trace.escalations.set(escalation.id, { facts: escalation, queue: escalation.queue, status: 'Open' });
    trace.openEscalation = escalation.id;
  },
  EscalationMoved: (trace, { id, queue, deadline }) => {
    const known = trace.escalations.get(id);
    if (known === undefined) return;
    known.queue = queue;
    known.facts = { ...known.facts, queue, deadline };
  },
  RunEnding: (trace) => endEscalation(trace, trace.openEscalation ?? '', 'Closed'),
  EscalationDecided: (trace, { id }) => endEscalation(trace, id, 'Decided'),
  EscalationExpired: (trace, { id }) => endEscalation(trace, id, 'Expired'),
};

/** Follows one event; types that are not listed change nothing the checkers look at. */
export function follow(trace: RunTrace, event: HistoryEvent): void {
  trace.seq = event.seq;
  const follower = followers[event.type] as ((trace: RunTrace, event: HistoryEvent) => void) | undefined;
  follower?.(trace, event);
}

function addTurn(trace: RunTrace, turn: Turn): void {
  const before = trace.turns.get(turn.turn);
  trace.costMicros += costOf(turn) - (before === undefined ? 0 : costOf(before));
  trace.turns.set(turn.turn, turn);
}

function endEscalation(trace: RunTrace, id: string, status: 'Decided' | 'Expired' | 'Closed'): void {
  const known = trace.escalations.get(id);
  if (known !== undefined) known.status = status;
  if (trace.openEscalation === id) delete trace.openEscalation;
}
