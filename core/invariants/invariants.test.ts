import { describe, expect, test } from 'vitest';
import type { EscalationFacts, HistoryEvent, NewEvent, Receipt, RunSummary, Turn } from '../../api/messages/history.ts';
import { digest } from '../canonical/canonical.ts';
import { callDigest } from '../permission/digest.ts';
import { foldHistory } from '../workflow/evolve.ts';
import { initialState } from '../workflow/state.ts';
import type { Fact, FactOf, Invariant, Rules } from './facts.ts';
import { coverageOf, vacuous } from './vacuity.ts';
import { checkInvariants } from './watch.ts';

const run = 'Run1';
const activity = 'work.1';
const bundle = 'sha256:b';
const pay = { tool: 'pay', args: { amount: 5 } };
const paid = callDigest({ run, activity, ...pay });
const result = { ok: true };

const rules: Rules = {
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

const receipt = (fields: Partial<Receipt>): Receipt => ({
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

const call = { id: 'c1', ...pay };
const proposed: Turn = {
  turn: 1,
  role: 'executor',
  calls: [call],
  results: [],
  receipt: receipt({ costMicros: 10 }),
};
const toolReceipt = receipt({ kind: 'tool', name: 'pay', digest: paid, effect: 'write', committed: true });
const reported: Turn = { ...proposed, results: [{ ...call, outcome: 'ok', result: 1, receipt: toolReceipt }] };
const asked: EscalationFacts = {
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
const verification = {
  approved: true,
  rules: [{ name: 'sane', passed: true }],
  model: { approved: true, reason: 'fine', receipt: receipt({ kind: 'verify', digest: digest(result) }) },
};

const events = {
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
type Other = Exclude<Fact, { readonly kind: 'Appended' }>;
type Step = NewEvent | Other;
const open: Other = {
  kind: 'LedgerWritten',
  at: 0,
  run,
  digest: paid,
  revision: 1,
  entry: { state: 'open', at: 10, deadline: 50, digest: paid, opener: 'g1/1' },
};
const acted: FactOf<'Applied'> = {
  kind: 'Applied',
  at: 0,
  run,
  tool: 'pay',
  effect: 'write',
  identity: paid,
  sentAt: 20,
};
const done: FactOf<'LedgerWritten'> = {
  kind: 'LedgerWritten',
  at: 0,
  run,
  digest: paid,
  revision: 2,
  entry: { state: 'done', at: 30, digest: paid },
};
const told = (what: FactOf<'Acknowledged'>['what'], seq: number, id?: string): Other => ({
  kind: 'Acknowledged',
  at: 0,
  what,
  run,
  seq,
  ...(id === undefined ? {} : { id }),
});
const answered: Other = {
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
function story(changes: Readonly<Record<string, readonly Step[]>>): readonly Fact[] {
  const facts: Fact[] = [];
  let seq = 0;
  const unknown = Object.keys(changes).filter((name) => good[name] === undefined);
  expect(unknown).toEqual([]);
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

const found = (facts: readonly Fact[], healed = true): readonly Invariant[] => [
  ...new Set(checkInvariants(facts, rules, healed).map(({ invariant }) => invariant)),
];

test('a good story has nothing wrong with it', () => {
  expect(checkInvariants(story({}), rules, true)).toEqual([]);
});

const { started, scheduled, opened, decided, consumed, completed, closed } = events;
const ending = (outcome: 'cancelled' | 'failed'): NewEvent => ({
  type: 'RunEnding',
  outcome,
  state: 'done',
  message: 'it ends',
  compensate: true,
});
const late = { ...decided, at: 901 } as Step;
const rejected = {
  ...verification,
  model: { ...verification.model, receipt: receipt({ kind: 'verify', outcome: 'rejected', digest: digest(result) }) },
};
const paidTurn = (turn: number): Step => ({ ...events.proposed, turn: { ...proposed, turn, calls: [] } });
const ledger = (state: 'open' | 'done' | 'refused' | 'ambiguous', more: object = {}): Step =>
  ({
    kind: 'LedgerWritten',
    at: 0,
    run,
    digest: paid,
    revision: 3,
    entry: { state, at: 20, digest: paid, ...more },
  }) as Step;
const look = callDigest({ run, activity, tool: 'look', args: {} });
const busEvent: Step = { type: 'BusEventReceived', id: 'e1', subject: 's', key: 'k', payload: {} };
const looked: readonly Step[] = [
  { ...events.proposed, turn: { ...proposed, calls: [{ id: 'c', tool: 'look', args: {} }] } },
  {
    kind: 'LedgerWritten',
    at: 0,
    run,
    digest: look,
    revision: 9,
    entry: { state: 'open', at: 0, digest: look },
  } as Step,
  { ...acted, tool: 'look', identity: look },
];

test('who cancels closes the question: what was done may be undone', () => {
  const undone = story({
    opened: [opened, ending('cancelled'), scheduled],
    decisionTold: [],
    ...Object.fromEntries(
      ['answered', 'decided', 'consumed', 'open', 'acted', 'done', 'reported', 'completed'].map((step) => [step, []]),
    ),
    closed: [{ ...closed, outcome: 'cancelled' }],
    listed: [],
  });
  expect(checkInvariants(undone, rules, true)).toEqual([]);
});

describe('each violation is seen, by its invariant', () => {
  test.each<readonly [string, Invariant, Readonly<Record<string, readonly Step[]>>]>([
    ['an acknowledged start is not in the journal', 'I1', { startTold: [told('start', 5) as Step] }],
    ['a run never ends', 'I1', { closed: [] }],
    ['a run starts twice', 'I1', { entered: [started, events.entered] }],
    ['an event follows the end', 'I1', { closed: [closed, events.entered] }],
    ['a history has a hole', 'I1', { entered: [{ ...events.entered, seq: 9 } as Step] }],
    ['a history begins in the middle', 'I1', { started: [] }],
    ['a tool acts twice for one call', 'I2', { acted: [acted, acted] }],
    [
      'a call that was denied acts',
      'I2',
      {
        reported: [{ ...events.reported, turn: { ...reported, results: [{ ...call, outcome: 'denied', result: 0 }] } }],
      },
    ],
    [
      'the verifier was not asked',
      'I3',
      { completed: [{ ...completed, verification: { approved: true, rules: verification.rules } }] },
    ],
    ['the verifier said no', 'I3', { completed: [{ ...completed, verification: rejected }] }],
    ['the verifier approved another result', 'I3', { completed: [{ ...completed, result: { ok: false } }] }],
    ['a rule was left out', 'I3', { completed: [{ ...completed, verification: { ...verification, rules: [] } }] }],
    [
      'a rule does not hold',
      'I3',
      { completed: [{ ...completed, verification: { ...verification, rules: [{ name: 'sane', passed: false }] } }] },
    ],
    ['a stale attempt is committed', 'I3', { completed: [{ ...completed, attempt: 2 }] }],
    ['the agent may only read', 'I4', { reported: [...looked, events.reported] }],
    [
      'the task does not have the tool',
      'I4',
      {
        entered: [{ ...events.entered, state: 'other' }],
        started: [{ ...started, workflow: 'wf' }],
        acted: [{ ...acted, tool: 'other' }],
      },
    ],
    ['the run is read-only', 'I4', { scheduled: [{ type: 'ReadOnlySet', rule: 'r' }, scheduled] }],
    ['the call is sent after its deadline', 'I4', { acted: [{ ...acted, sentAt: 51 }] }],
    [
      'an escalation is dropped at the end',
      'I5',
      { decided: [closed], consumed: [], completed: [], closed: [], reported: [], decisionTold: [] },
    ],
    ['an escalation is dropped when the run begins to end', 'I5', { opened: [opened, ending('failed')] }],
    ['an escalation is decided twice', 'I5', { decided: [decided, { ...decided, decision: 'uid-2' }] }],
    [
      'one decision is used for two questions',
      'I5',
      { consumed: [consumed, { ...opened, escalation: { ...asked, id: 'run1-2' } }, { ...decided, id: 'run1-2' }] },
    ],
    ['two questions are open', 'I5', { opened: [opened, { ...opened, escalation: { ...asked, id: 'run1-2' } }] }],
    ['the run goes on while a question is open', 'I5', { opened: [opened, scheduled] }],
    ['an acknowledged decision is lost', 'I5', { decisionTold: [told('decision', 7, 'uid-9') as Step] }],
    [
      'a closed question expires',
      'I5',
      { decided: [decided, { type: 'EscalationExpired', id: asked.id, next: 'rejected' }] },
    ],
    [
      'a question that nobody asked is moved',
      'I5',
      { waits: [events.waits, { type: 'EscalationMoved', id: 'x', queue: 'q', deadline: 1 }] },
    ],
    ['an approval is consumed twice', 'I6', { consumed: [consumed, consumed] }],
    ['an approval is consumed for another call', 'I6', { consumed: [{ ...consumed, digest: 'sha256:other' }] }],
    ['the tool acts without a consumed approval', 'I6', { consumed: [] }],
    ['the decision is for another digest', 'I6', { decided: [{ ...decided, digest: 'sha256:other' }] }],
    ['who asked for the run decides it', 'I6', { decided: [{ ...decided, by: 'ann' }] }],
    ['the decision comes after the deadline', 'I6', { decided: [late] }],
    ['somebody who may not answers', 'I6', { decided: [{ ...decided, by: 'eve' }] }],
    ['the answer was for another queue', 'I6', { answered: [{ ...answered, queue: 'night' } as Step] }],
    ['another bundle than the pinned one', 'I7', { scheduled: [{ ...scheduled, bundleDigest: 'sha256:x' }] }],
    ['people see a question as open that is decided', 'I11', { listed: [{ kind: 'Listed', at: 0, escalations: [] }] }],
    ['a tool acts without a proposal', 'I13', { proposed: [], waits: [], reported: [] }],
    ['a tool acts without a ledger entry', 'I13', { open: [], done: [] }],
    ['a done entry is opened again', 'I13', { done: [done, ledger('open')] }],
    ['an ambiguous entry is opened again', 'I13', { done: [ledger('ambiguous'), ledger('open'), done] }],
    [
      'an open entry of another gateway is taken over early',
      'I13',
      { done: [ledger('open', { at: -600, opener: 'g2/1' }), done] },
    ],
    ['a result is told that the ledger does not know', 'I13', { done: [] }],
    ['a result is told, but the tool never acted', 'I13', { acted: [] }],
    ['the ledger says refused, but the tool acted', 'I13', { done: [ledger('refused')], reported: [] }],
    ['a cancel was acknowledged, and the run went on', 'I1', { listed: [told('cancel', 1)] }],
    [
      'the run that takes over never starts',
      'I1',
      { closed: [{ type: 'FallbackRequested', workflow: 'w', run: 'Run9', reason: 'r' }, closed] },
    ],
    [
      'a reply rests on a cause that is in no history',
      'I1',
      { startTold: [{ ...told('report', 1), cause: 'turn/work.1/1/1' } as Other] },
    ],
    [
      'an escalation expires before its deadline',
      'I5',
      { decided: [{ type: 'EscalationExpired', id: asked.id, next: 'rejected' }] },
    ],
    [
      'a route that was left is taken again',
      'I4',
      { scheduled: [scheduled, { ...scheduled, route: 'backup', attempt: 2 }, { ...scheduled, attempt: 3 }] },
    ],
    [
      'a route has more attempts than granted',
      'I4',
      { scheduled: [scheduled, { ...scheduled, attempt: 2 }, { ...scheduled, attempt: 3 }] },
    ],
    ['a bus event is taken twice', 'I10', { entered: [events.entered, busEvent, busEvent] }],
    [
      'an effect of a risky task without an approval',
      'I6',
      { entered: [{ ...events.entered, state: 'risky' }], consumed: [] },
    ],
    [
      'a run is listed otherwise than it is',
      'I11',
      { listed: [{ kind: 'Listed', at: 0, escalations: [], runs: [{ run } as unknown as RunSummary] }] },
    ],
    ['a secret is in the journal', 'I14', { completed: [{ ...completed, result: { text: 'the s3cret' } }] }],
    [
      'a call is paid after the budget is spent',
      'I16',
      { reported: [events.reported, paidTurn(2), paidTurn(3), paidTurn(4)] },
    ],
  ])('%s', (_what, invariant, changes) => {
    expect(found(story(changes))).toContain(invariant);
  });

  test('a second run with the same business key', () => {
    const facts = story({});
    const [first] = facts as [FactOf<'Appended'>];
    const record = { ...first.record, id: 'other', runs: [{ ...first.record.runs[0], run: 'Run2' }] };
    expect(found([...facts, { ...first, seq: 12, record } as Fact])).toContain('I1');
  });

  test('an owner that was followed by another writes again; a record is stored twice; a run is in two partitions', () => {
    const facts = story({});
    const records = facts.filter((fact) => fact.kind === 'Appended');
    const with2 = (change: (fact: FactOf<'Appended'>, index: number) => FactOf<'Appended'>): readonly Fact[] =>
      records.map(change);
    const taken = with2((fact, index) => ({
      ...fact,
      record: { ...fact.record, owner: index === 2 ? 'e2' : 'e1', epoch: index === 2 ? 2 : 0 },
    }));
    const handedOver = with2((fact, index) => ({
      ...fact,
      record: { ...fact.record, owner: index < 2 ? 'e1' : 'e2', epoch: index < 2 ? 0 : 2 },
    }));
    const blind = with2((fact, index) => ({
      ...fact,
      record: { ...fact.record, owner: index < 2 ? 'e1' : 'e2', epoch: index < 2 ? 0 : 1 },
    }));
    const twice = with2((fact) => ({ ...fact, record: { ...fact.record, id: 'same' } }));
    const moved = with2((fact, index) =>
      index < 5 ? fact : { ...fact, partition: 1, seq: index - 4, record: { ...fact.record, epoch: 0 } },
    );
    expect([taken, blind, twice, moved].map((history) => found(history).includes('I9'))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(found(handedOver)).not.toContain('I9');
  });

  test('another state in memory than the journal folds to; a write at rest', () => {
    const facts = story({});
    const history = facts.flatMap((fact) => (fact.kind === 'Appended' ? (fact.record.runs[0]?.events ?? []) : []));
    const state = foldHistory(initialState(run), history);
    const folded = (of: unknown): Fact => ({ kind: 'Folded', at: 0, run, seq: state.seq, digest: digest(of) });
    expect(found([...facts, folded(state)])).toEqual([]);
    expect(found([...facts, folded({ ...state, facts: {} })])).toContain('I10');
    const last = facts.findLast((fact) => fact.kind === 'Appended');
    const rested = facts.filter((fact) => fact !== last);
    expect(found([...rested, { kind: 'Rested', at: 0 }, ...(last === undefined ? [] : [last])])).toContain('I10');
  });
});

test('what an attempt that is over says counts for nothing: a turn, and a failure', () => {
  const stale = { ...events.reported, attempt: 2 };
  expect(found(story({ reported: [stale] }))).toContain('I3');
  const failed = {
    type: 'ActivityFailed',
    activity,
    attempt: 1,
    failure: { code: 'X', message: 'x' },
    retryable: true,
  } as const;
  const by = (cause: string) => ({ ...failed, cause }) as NewEvent;
  expect(found(story({ completed: [by(`fail/${activity}/1`)], closed: [events.closed] }))).not.toContain('I3');
  expect(found(story({ completed: [by(`fail/${activity}/0`)], closed: [events.closed] }))).toContain('I3');
});

test('a frozen run that goes on, and one that begins before its time', () => {
  const frozen = { type: 'RunFrozen', source: 'person', by: 'ann', reason: 'wait' } as const;
  const resumed = { ...frozen, type: 'RunResumed' } as const;
  expect(found(story({ entered: [frozen, resumed, events.entered] }))).toEqual([]);
  expect(found(story({ entered: [frozen, events.entered] }))).toContain('I5');
  expect(found(story({ started: [{ ...events.started, startAt: 500 }] }))).toContain('I1');
  const signal = { type: 'SignalReceived', signal: 's', id: 'once', payload: {}, by: 'ann' } as const;
  expect(found(story({ entered: [signal, signal, events.entered] }))).toContain('I10');
});

test('a run that waits for a person need not end, and before the world is healed no run need', () => {
  const cut = story({
    answered: [],
    decided: [],
    decisionTold: [],
    consumed: [],
    open: [],
    acted: [],
    done: [],
    reported: [],
    completed: [],
    closed: [],
    listed: [],
  });
  expect(found(cut)).toEqual([]);
  expect(found(story({ closed: [] }), false)).toEqual([]);
});

describe('a check that saw too little fails as vacuous', () => {
  const faulted: Fact = { kind: 'Faulted', at: 0, fault: 'crash' };
  const recovered: Fact = { kind: 'Recovered', at: 0, after: 'crash' };
  test.each<readonly [string, readonly Fact[], RegExp]>([
    ['no operation', [faulted, recovered, acted], /0 acknowledged operations/],
    ['no effect', [faulted, recovered, told('start', 0)], /0 effects/],
    ['no fault', [recovered, acted, told('start', 0)], /0 faults/],
    ['no recovery', [faulted, acted, told('start', 0)], /0 recoveries/],
    ['not the wanted fault', [...story({}), faulted, recovered], /fault pause never/],
    ['not the wanted event', [...story({}), faulted, recovered], /event WaitElapsed never/],
  ])('%s', (_what, facts, sentence) => {
    const problems = vacuous(coverageOf(facts), { faults: ['pause'], events: ['WaitElapsed'] });
    expect(problems.join('\n')).toMatch(sentence);
  });
  test('enough is enough', () => {
    expect(
      vacuous(coverageOf([...story({}), faulted, recovered]), { faults: ['crash'], events: ['RunClosed'] }),
    ).toEqual([]);
  });
});
