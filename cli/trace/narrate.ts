// Owns: from facts to sentences: what happened, in the order it happened, in words. Pure; nothing of the history is left out
// but what a sentence before it has said already.
import type { ParentRun } from '../../api/messages/family.ts';
import type { EscalationFacts, HistoryEvent, HistoryEventType, Turn } from '../../api/messages/history.ts';
import { span } from '../output/quantity.ts';
import { oneLine } from '../output/style.ts';
import { endingTellers, familyTellers, pauseTellers } from './family.ts';
import { say, type Telling, type Tellers, type Words } from './telling.ts';
import { callWords, modelWords, quoted, shortDigest, shower } from './words.ts';

export interface Entry extends Words {
  readonly seq: number;
  readonly at: number;
}

/** One entry per event. `whole`: nothing is cut. */
export function narrate(events: readonly HistoryEvent[], whole = false): readonly Entry[] {
  const workers = new Map<string, string>();
  return events.map((event) => {
    const tell = tellers[event.type] as ((event: HistoryEvent, telling: Telling) => Words) | undefined;
    const telling = { whole, show: shower(whole), at: event.at };
    // A newer engine may know more facts than this program.
    const words = tell?.(event, telling) ?? { mark: 'plain', title: oneLine(JSON.stringify(event)), details: [] };
    const details = [...takeover(event, workers), ...words.details];
    return { seq: event.seq, at: event.at, ...words, details, title: oneLine(words.title) };
  });
}

/** An attempt that goes on with another worker than before: the first one died, or was drained. */
function takeover(event: HistoryEvent, workers: Map<string, string>): readonly string[] {
  if (event.type !== 'TurnProposed' && event.type !== 'TurnCompleted' && event.type !== 'ActivityCompleted') return [];
  const attempt = `${event.activity}/${event.attempt}`;
  const before = workers.get(attempt);
  workers.set(attempt, event.worker);
  return before === undefined || before === event.worker
    ? []
    : [`worker ${event.worker} took over from ${before}, after its last turn`];
}

const tellers: Tellers<HistoryEventType> = {
  ...familyTellers,
  ...endingTellers,
  ...pauseTellers,
  RunStarted: (event, { show, at }) =>
    say(
      'plain',
      `started by ${event.requestedBy} (${event.source})${event.key === undefined ? '' : `, key ${event.key}`}`,
      `input ${show(event.input)}`,
      parentWords(event.parent),
      `bundles kept to the end: ${pinWords(event.pins)}`,
      `must end within ${span(event.deadline - at)}`,
    ),
  StateEntered: (event) => say('move', `state ${event.state}${event.visit > 1 ? `, visit ${event.visit}` : ''}`),
  ActivityScheduled: (event, { at }) => {
    const who = `agent ${event.agent} (bundle ${shortDigest(event.bundleDigest)})`;
    const later = event.notBefore > at ? `, not before ${span(event.notBefore - at)} from now` : '';
    const limit = `${later}, at most ${span(event.deadline - Math.max(at, event.notBefore))}`;
    const route = event.route === 'primary' ? '' : ` on the ${event.route} route`;
    const first = event.attempt === 1 && event.route === 'primary';
    const what = first ? event.activity : `${event.activity}, attempt ${event.attempt}${route}`;
    return say(first ? 'plain' : 'ask', `${what}: to ${who}${limit}`, event.reason);
  },
  TurnProposed: (event, { show }) =>
    say(
      'plain',
      `intends to act (journaled before anything is called)`,
      ...event.turn.calls.map((call) => `${call.tool} ${show(call.args)}`),
    ),
  TurnCompleted: (event, telling) => turnWords(event.turn, telling),
  ActivityCompleted: (event, { show, whole }) => {
    const { verification } = event;
    const confidence = event.confidence === undefined ? '' : `, confidence ${event.confidence}`;
    const rules = verification.rules.map(
      (rule) =>
        `${rule.passed ? 'ok' : 'FAILED'} rule ${rule.name}${rule.message === undefined ? '' : `: ${rule.message}`}`,
    );
    const { model } = verification;
    return say(
      verification.approved ? 'good' : 'bad',
      `${event.activity} done, ${verification.approved ? 'verified' : 'REJECTED by the verifier'}${confidence}`,
      `result ${show(event.result)}`,
      rules.join('\n'),
      model === undefined
        ? undefined
        : `${model.approved ? 'ok' : 'FAILED'} ${modelWords(model.receipt)}: ${quoted(model.reason, whole)}`,
    );
  },
  ActivityFailed: (event) =>
    say(
      'bad',
      `${event.activity}, attempt ${event.attempt} failed: ${event.failure.message} (${event.failure.code})`,
      event.retryable ? 'may be tried again' : 'trying again cannot help',
    ),
  WorkerLost: (event) =>
    say('bad', `${event.activity}, attempt ${event.attempt}: worker ${event.worker} was lost, ${event.lost} in a row`),
  ActivityTimedOut: (event) => say('bad', `${event.activity}, attempt ${event.attempt} took too long`),
  Transitioned: (event) =>
    say(
      'move',
      `${event.from} → ${event.to} (${event.exit})`,
      ...event.guards.map((guard) => `when ${guardWords(guard)}`),
    ),
  BusEventReceived: (event, { show }) =>
    say('plain', `bus event ${event.subject}, key ${event.key}`, `payload ${show(event.payload)}`),
  SignalReceived: (event, { show }) =>
    say('plain', `signal ${event.signal} (${event.id}) from ${event.by}`, `data ${show(event.payload)}`),
  SignalTaken: (event) => say('plain', `the wait takes signal ${event.signal} (${event.id})`),
  AttributesSet: ({ attributes }, { show }) => say('plain', `found by ${show(attributes)}`),
  WaitElapsed: (event) =>
    say(event.timedOut ? 'bad' : 'plain', `wait in ${event.state} ${event.timedOut ? 'timed out' : 'is over'}`),
  SignalObserved: (event) => say('ask', `signal ${event.signal} (rule ${event.rule})`, ...event.evidence),
  EscalationOpened: ({ escalation }, { show, at }) =>
    say(
      'ask',
      `escalation ${escalation.id} to queue ${escalation.queue}: ${escalation.question}`,
      becauseOf(escalation),
      ...escalation.evidence.map((line) => `evidence: ${line}`),
      escalation.proposal === undefined
        ? undefined
        : `would do: ${escalation.proposal.tool} ${show(escalation.proposal.args)}`,
      `to be decided within ${span(escalation.deadline - at)}, digest ${shortDigest(escalation.digest)}`,
    ),
  EscalationDecided: (event, { whole }) =>
    say(
      event.option === 'approve' ? 'good' : 'bad',
      `escalation ${event.id} ${event.option === 'approve' ? 'approved' : 'rejected'} by ${event.by}: ${quoted(event.reason, whole)}`,
      `for digest ${shortDigest(event.digest)}`,
    ),
  EscalationExpired: (event) => say('bad', `escalation ${event.id}: nobody decided in time; next: ${event.next}`),
  EscalationMoved: (event, { at }) =>
    say(
      'ask',
      `escalation ${event.id} moved to queue ${event.queue}, to be decided within ${span(event.deadline - at)}`,
    ),
  ApprovalConsumed: (event) =>
    say(
      'good',
      `approval of ${event.id} used by ${event.activity}, attempt ${event.attempt}; it cannot be used again`,
      `for digest ${shortDigest(event.digest)}`,
    ),
  ReadOnlySet: (event) => say('ask', `read only from here on (rule ${event.rule})`),
  CancelRequested: (event, { whole }) => say('bad', `cancel asked by ${event.by}: ${quoted(event.reason, whole)}`),
  FallbackRequested: (event) => say('ask', `handed to workflow ${event.workflow} as run ${event.run}: ${event.reason}`),
  RunClosed: (event) =>
    say(
      event.outcome === 'success' ? 'good' : event.outcome === 'handedOver' ? 'ask' : 'bad',
      `ended: ${event.outcome} in state ${event.state}`,
      event.message,
    ),
};

/** `approval` is no signal: a state or a permission asks. */
function becauseOf({ signal, rule, action }: EscalationFacts): string {
  const by = rule === undefined ? '' : ` (rule ${rule})`;
  return signal === 'approval' ? `because approval is asked for${by}` : `because of ${signal}${by}, action ${action}`;
}

function parentWords(parent: ParentRun | undefined): string | undefined {
  if (parent === undefined) return undefined;
  return `${parent.child === undefined ? 'takes over from' : 'child of'} run ${parent.run}: ${parent.reason}`;
}

const pinWords = (pins: Readonly<Record<string, string>>): string =>
  Object.entries(pins)
    .map(([agent, digest]) => `${agent} ${shortDigest(digest)}`)
    .join(', ') || 'none';

function guardWords(guard: { readonly when: string; readonly value?: boolean; readonly error?: string }): string {
  const when = guard.when === '' ? 'otherwise' : oneLine(guard.when);
  if (guard.error !== undefined) return `${when} → error: ${guard.error}`;
  return guard.value === undefined ? when : `${when} → ${guard.value}`;
}

/** What the model said, where it is not said again as feedback. */
function saysWords({ text = '', feedback }: Turn, whole: boolean): string | undefined {
  return text === '' || text === feedback ? undefined : `says ${quoted(text, whole)}`;
}

function turnWords(turn: Turn, { show, whole }: Telling): Words {
  const done = new Set(turn.results.map((result) => result.id));
  const results = turn.results.flatMap((result) => [
    `${result.tool} ${show(result.args)}`,
    `  ${callWords(result)}`,
    result.outcome === 'approvalRequired' && result.approval !== undefined
      ? `  asks queue ${result.approval.queue ?? 'of the policy'}: see the escalation that follows`
      : `  → ${show(result.result)}`,
  ]);
  const open = turn.calls
    .filter((call) => !done.has(call.id))
    .map((call) => `${call.tool} ${show(call.args)}: no result`);
  const failed = turn.results.some((result) => ['denied', 'error', 'ambiguous', 'rejected'].includes(result.outcome));
  const asked = turn.results.some((result) => result.outcome === 'approvalRequired');
  return say(
    asked ? 'ask' : failed || turn.feedback !== undefined ? 'bad' : 'plain',
    `${turn.role}, turn ${turn.turn}`,
    turn.receipt === undefined ? undefined : modelWords(turn.receipt),
    saysWords(turn, whole),
    ...results,
    ...open,
    turn.feedback === undefined ? undefined : `told to repair: ${quoted(turn.feedback, whole)}`,
  );
}
