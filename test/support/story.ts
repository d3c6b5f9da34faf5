// Owns: the story of one run as facts, with nothing wrong in it: an effect that needs an approval, from start to end. Tests change
// one step of it.
import { deepEqual } from 'node:assert/strict';
import type { EscalationFacts, HistoryEvent, NewEvent, Receipt, Turn } from '../../api/messages/history.ts';
import { digest } from '../../core/canonical/canonical.ts';
import type { Fact, FactOf, Invariant, Rules } from '../../core/invariants/facts.ts';
import { checkInvariants } from '../../core/invariants/watch.ts';
import { callDigest } from '../../core/permission/digest.ts';

export const run = 'Run1';
export const activity = 'work.1';
const bundle = 'sha256:b';
const pay = { tool: 'pay', args: { amount: 5 } };
export const paid = callDigest({ run, activity, ...pay });
export const result = { ok: true };

export const rules: Rules = {
  bundles: { [bundle]: { verifierModel: true, rules: ['sane'] } },
  permissions: [
    { agent: 'clerk', tool: 'pay', mode: 'approve' },
    { agent: 'clerk', tool: 'note', mode: 'write' },
    { agent: 'clerk', tool: 'look', mode: 'read' },
  ],
  tasks: { 'wf/work': ['pay', 'note', 'look'] },
  highRisk: ['wf/risky'],
  attempts: { 'wf/work': 2 },
  budgets: { wf: 25 },
  entitled: (person, queue) => `${person}@${queue}` === 'bob@desk',
  secrets: ['s3cret'],
};

export const receipt = (fields: Partial<Receipt>): Receipt => ({
  kind: 'model',
  run,
  activity,
  attempt: 1,
  turn: 1,
  name: 'small',
  outcome: 'ok',
  digest: 'd',
  at: 0,
  elapsedMs: 1,
  mac: 'm',
  ...fields,
});

export const call = { id: 'c1', ...pay };
export const proposed: Turn = {
  turn: 1,
  role: 'executor',
  calls: [call],
  results: [],
  receipt: receipt({ costMicros: 10 }),
};
const toolReceipt = receipt({ kind: 'tool', name: 'pay', digest: paid, effect: 'write', committed: true });
export const reported: Turn = { ...proposed, results: [{ ...call, outcome: 'ok', result: 1, receipt: toolReceipt }] };
export const asked: EscalationFacts = {
  id: 'run1-1',
  signal: 'approval',
  action: 'approval',
  queue: 'desk',
  question: 'May pay be called?',
  evidence: [],
  proposal: pay,
  digest: paid,
  state: 'work',
  deadline: 900,
};
export const verification = {
  approved: true,
  rules: [{ name: 'sane', passed: true }],
  model: { approved: true, reason: 'fine', receipt: receipt({ kind: 'verify', digest: digest(result) }) },
};

export const events = {
  started: {
    type: 'RunStarted',
    namespace: 'ns',
    workflow: 'wf',
    workflowDigest: 'sha256:wf',
    input: {},
    key: 'order-1',
    requestedBy: 'ann',
    source: 'http',
    pins: { clerk: bundle },
    deadline: 9_999,
  },
  entered: { type: 'StateEntered', state: 'work', visit: 1 },
  scheduled: {
    type: 'ActivityScheduled',
    activity,
    state: 'work',
    agent: 'clerk',
    bundleDigest: bundle,
    route: 'primary',
    attempt: 1,
    notBefore: 0,
    deadline: 9_000,
  },
  proposed: { type: 'TurnProposed', activity, attempt: 1, turn: proposed, worker: 'w' },
  waits: {
    type: 'TurnCompleted',
    activity,
    attempt: 1,
    turn: { ...proposed, results: [{ ...call, outcome: 'approvalRequired', result: 0 }] },
    worker: 'w',
  },
  opened: { type: 'EscalationOpened', escalation: asked },
  decided: {
    type: 'EscalationDecided',
    id: asked.id,
    option: 'approve',
    by: 'bob',
    reason: 'fine',
    digest: paid,
    decision: 'uid-1',
  },
  consumed: { type: 'ApprovalConsumed', id: asked.id, digest: paid, activity, attempt: 1 },
  reported: { type: 'TurnCompleted', activity, attempt: 1, turn: reported, worker: 'w' },
  completed: { type: 'ActivityCompleted', activity, attempt: 1, result, verification, worker: 'w' },
  closed: { type: 'RunClosed', outcome: 'success', state: 'done', message: 'reached done' },
} as const satisfies Readonly<Record<string, NewEvent>>;

/** What happens, in order; the numbers are sequences of events. */
export type Other = Exclude<Fact, { readonly kind: 'Appended' }>;
export type Step = NewEvent | Other;
const open: Other = {
  kind: 'LedgerWritten',
  at: 0,
  run,
  digest: paid,
  revision: 1,
  entry: { state: 'open', at: 10, deadline: 50, digest: paid, opener: 'g1/1' },
};
export const acted: FactOf<'Applied'> = {
  kind: 'Applied',
  at: 0,
  run,
  tool: 'pay',
  effect: 'write',
  identity: paid,
  sentAt: 20,
};
export const done: FactOf<'LedgerWritten'> = {
  kind: 'LedgerWritten',
  at: 0,
  run,
  digest: paid,
  revision: 2,
  entry: { state: 'done', at: 30, digest: paid },
};
export const told = (what: FactOf<'Acknowledged'>['what'], seq: number, id?: string): Other => ({
  kind: 'Acknowledged',
  at: 0,
  what,
  run,
  seq,
  ...(id === undefined ? {} : { id }),
});
export const answered: Other = {
  kind: 'Answered',
  at: 0,
  decision: 'uid-1',
  escalation: asked.id,
  by: 'bob',
  queue: 'desk',
  digest: paid,
};

const good: Readonly<Record<string, Step>> = {
  started: events.started,
  startTold: told('start', 1),
  entered: events.entered,
  scheduled: events.scheduled,
  proposed: events.proposed,
  waits: events.waits,
  opened: events.opened,
  answered: answered as Step,
  decided: events.decided,
  decisionTold: told('decision', 7, 'uid-1') as Step,
  consumed: events.consumed,
  open: open as Step,
  acted,
  done,
  reported: events.reported,
  completed: events.completed,
  closed: events.closed,
  listed: {
    kind: 'Listed',
    at: 0,
    escalations: [
      {
        namespace: 'ns',
        run,
        workflow: 'wf',
        requestedBy: 'ann',
        escalation: asked,
        costMicros: 10,
        openedAt: 0,
        status: 'Decided',
      },
    ],
  },
};

/** The story with some steps replaced (by none, one or several); each step that is an event is a record of its own. */
export function story(changes: Readonly<Record<string, readonly Step[]>>): readonly Fact[] {
  const facts: Fact[] = [];
  let seq = 0;
  const unknown = Object.keys(changes).filter((name) => good[name] === undefined);
  deepEqual(unknown, []);
  for (const [name, usual] of Object.entries(good)) {
    for (const step of changes[name] ?? [usual]) {
      if ('kind' in step) {
        facts.push(step);
        continue;
      }
      seq += 1;
      const event = { seq, at: 100, cause: 'c', ...step } as HistoryEvent;
      const record = { v: 1 as const, id: `r${seq}`, owner: 'e1', epoch: 0, runs: [{ run, events: [event] }] };
      facts.push({ kind: 'Appended', at: 100, partition: 0, seq, record });
    }
  }
  return facts;
}

/** The invariants that these facts violate. */
export const found = (facts: readonly Fact[], healed = true): readonly Invariant[] => [
  ...new Set(checkInvariants(facts, rules, healed).map(({ invariant }) => invariant)),
];
