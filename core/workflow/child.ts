// Owns: a run as the child of another: what its parent may ask of it, and what it reports.
//   K1: a child that is cancelled before it was started exists from then on, closed: a late request to start finds it.
import type { ChildReport, ChildRequest } from '../../api/messages/asks.ts';
import type { HistoryEvent, JsonObject, NewEvent } from '../../api/messages/history.ts';
import { cancelRun } from './decide.ts';
import type { Given } from './definition.ts';
import type { Reaction } from './draft.ts';
import { freezeRun, resumeRun, setReadOnly } from './freeze.ts';
import { runLimits } from './limits.ts';
import type { RunState } from './state.ts';
import { foldHistory } from './evolve.ts';

/** For a child that exists; events of what it takes to be as its parent wants it. */
export function askChild(given: Given, request: ChildRequest): Reaction<ChildReport> {
  const { namespace, run } = given.state;
  const { by, reason, want } = request;
  const asked = { namespace, run, by, reason, source: 'parent' } as const;
  if (given.state.status === 'Closed') return { events: [], reply: reportOf(given.state) };
  const limited = request.start.readOnly === true && !given.state.readOnly ? limit(given, by) : [];
  const now = { ...given, state: foldHistory(given.state, limited) };
  if (want === 'Frozen') return reported(given, [...limited, ...freezeRun(now, asked).events]);
  const resumed = [...limited, ...(isHeldByParent(now.state) ? resumeRun(now, asked).events : [])];
  if (want === 'Running') return reported(given, resumed);
  const state = foldHistory(given.state, resumed);
  return reported(given, [...resumed, ...cancelRun({ ...given, state }, { namespace, run, by, reason }).events]);
}

/** Read-only like its parent. */
function limit(given: Given, by: string): readonly HistoryEvent[] {
  const { namespace, run } = given.state;
  return setReadOnly(given, { namespace, run, readOnly: true, by, reason: `${by} is read-only` }).events;
}

const isHeldByParent = ({ frozen }: RunState): boolean =>
  frozen?.holds.some(({ source }) => source === 'parent') ?? false;

function reported({ state }: Given, events: readonly HistoryEvent[]): Reaction<ChildReport> {
  const folded = foldHistory(state, events);
  return { events, reply: reportOf(folded), folded };
}

/** For a child that does not exist: it is made and closed at once. */
export function cancelUnstarted({ start, by, reason }: ChildRequest, now: number): Reaction<ChildReport> {
  const { branch: _branch, budgetMicros: _budget, run, ...origin } = start;
  const cause = `cancel/${by}`;
  const made: readonly NewEvent[] = [
    { type: 'RunStarted', ...origin, workflowDigest: '', pins: {}, deadline: now },
    { type: 'CancelRequested', by, reason },
    {
      type: 'RunClosed',
      outcome: 'cancelled',
      state: '',
      message: `cancelled by ${by} before it was started: ${reason}`,
    },
  ];
  const events = made.map((event, index) => ({ ...event, seq: index + 1, at: now, cause })) as readonly HistoryEvent[];
  const { outcome, message } = made[2] as Extract<NewEvent, { type: 'RunClosed' }>;
  void run;
  return { events, reply: closedReport({ outcome, message }) };
}

const closedReport = (more: Pick<Extract<ChildReport, { kind: 'Closed' }>, 'outcome' | 'message'>): ChildReport => ({
  kind: 'Closed',
  costMicros: 0,
  effects: 0,
  result: {},
  owed: [],
  workflowDigest: '',
  ...more,
});

/** What a parent learns of its child. */
export function reportOf(state: RunState, bytesMax = runLimits.childResultBytes): ChildReport {
  if (state.status !== 'Closed') return { kind: 'Open' };
  const { costMicros, effects, owed, workflowDigest } = state;
  const { outcome, message, result } = resultOf(state, bytesMax);
  return { kind: 'Closed', outcome, message, result, costMicros, effects, owed, workflowDigest };
}

/** Facts beyond the bound are a failure that says so, never cut silently. */
function resultOf(
  { outcome = 'failed', closing = '', facts }: RunState,
  bytesMax: number,
): Pick<Extract<ChildReport, { kind: 'Closed' }>, 'outcome' | 'message'> & { readonly result: JsonObject } {
  const bytes = JSON.stringify(facts).length;
  if (bytes <= bytesMax) return { outcome, message: closing, result: facts };
  const message = `its facts have ${bytes} bytes; allowed for a child are at most ${bytesMax} (it ended with ${outcome})`;
  return { outcome: 'failed', message, result: {} };
}
