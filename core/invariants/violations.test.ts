// Each violation is seen, by its invariant: the good story with one step changed.
import { describe, expect, test } from 'vitest';
import type { NewEvent, RunSummary } from '../../api/messages/history.ts';
import {
  acted,
  activity,
  type Other,
  answered,
  asked,
  call,
  done,
  events,
  found,
  paid,
  proposed,
  receipt,
  reported,
  result,
  rules,
  run,
  type Step,
  story,
  told,
  verification,
} from '../../test/support/story.ts';
import { digest } from '../canonical/canonical.ts';
import { callDigest } from '../permission/digest.ts';
import type { Invariant } from './facts.ts';
import { checkInvariants } from './watch.ts';

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
});
