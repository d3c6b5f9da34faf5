// Owns: what must hold of effects, at the tool, in the ledger and in the history.
//   I2: at most one effect per key.   I4: none without a grant.   I13: intent before effect, outcome after.
import { callDigest } from '../permission/digest.ts';
import type { Turn } from '../../api/messages/history.ts';
import type { Checker, FactOf, LedgerEntryFact, Report, Rules } from './facts.ts';
import type { ProposedCall, RunTrace } from './trace.ts';

const skewDefaultMs = 500;

/** What was proposed and reported of one call. */
interface CallTrace {
  readonly run: string;
  proposed?: ProposedCall;
  applied: number;
  ledger?: LedgerEntryFact;
  /** Every outcome that was ever told of it. */
  readonly told: Set<string>;
}

/** The calls of all runs by their digest, shared by the three checkers. */
class Calls {
  readonly known = new Map<string, CallTrace>();

  of(identity: string, run: string): CallTrace {
    const call = this.known.get(identity) ?? { run, applied: 0, told: new Set() };
    this.known.set(identity, call);
    return call;
  }

  turn(trace: RunTrace, turn: Turn): void {
    const { run, activity, readOnly } = trace;
    if (activity === undefined) return;
    for (const { tool, args } of turn.calls) {
      const call = this.of(callDigest({ run, activity: activity.activity, tool, args }), run);
      call.proposed = { tool, agent: activity.agent, state: activity.state, activity: activity.activity, readOnly };
    }
    for (const { tool, args, outcome } of turn.results) {
      this.of(callDigest({ run, activity: activity.activity, tool, args }), run).told.add(outcome);
    }
  }
}

export function effectsHappenOnce(report: Report): Checker {
  const calls = new Calls();
  return {
    event(trace, event) {
      if (event.type === 'TurnProposed' || event.type === 'TurnCompleted') calls.turn(trace, event.turn);
    },
    see(fact) {
      if (fact.kind === 'LedgerWritten') calls.of(fact.digest, fact.run).ledger = fact.entry;
      if (fact.kind !== 'Applied' || fact.effect === 'read') return;
      const call = calls.of(fact.identity, fact.run);
      call.applied += 1;
      if (call.applied === 1) return;
      report({
        invariant: 'I2',
        run: fact.run,
        sentence: `${fact.tool} acted ${call.applied} times for one call (${fact.identity})`,
      });
    },
    end() {
      for (const [identity, { run, applied, told }] of calls.known) {
        // The other half: who was told that nothing happened was told the truth.
        const doubted = told.has('ok') || told.has('ambiguous');
        const no = ['denied', 'recommended', 'error'].find((outcome) => told.has(outcome));
        if (applied > 0 && !doubted && no !== undefined) {
          report({ invariant: 'I2', run, sentence: `a call that was told as ${no} acted all the same (${identity})` });
        }
      }
    },
  };
}

/** The agent has the tool, through ceiling and bundle; the task has it; the run is not read-only; the time is not over. */
export function effectsAreGranted(report: Report, rules: Rules): Checker {
  const calls = new Calls();
  const runs = new Map<string, RunTrace>();
  const opened = new Map<string, number>();
  return {
    event(trace, event) {
      runs.set(trace.run, trace);
      if (event.type === 'TurnProposed' || event.type === 'TurnCompleted') calls.turn(trace, event.turn);
    },
    see(fact) {
      if (fact.kind === 'LedgerWritten' && fact.entry.deadline !== undefined)
        opened.set(fact.digest, fact.entry.deadline);
      if (fact.kind !== 'Applied' || fact.effect === 'read') return;
      const call = calls.known.get(fact.identity)?.proposed;
      const workflow = runs.get(fact.run)?.started?.workflow ?? '';
      const found = call === undefined ? [] : outsideGrant(rules, { fact, call, workflow });
      for (const why of [...found, ...tooLate(fact, opened.get(fact.identity))]) {
        report({ invariant: 'I4', run: fact.run, sentence: `${fact.tool} acted ${why}` });
      }
    },
  };
}

function outsideGrant(
  rules: Rules,
  given: { readonly fact: FactOf<'Applied'>; readonly call: ProposedCall; readonly workflow: string },
): readonly string[] {
  const { fact, call, workflow } = given;
  const found: string[] = [];
  if (call.readOnly) found.push('although the run was read-only when it was proposed');
  const tools = rules.tasks?.[`${workflow}/${call.state}`];
  if (tools !== undefined && !tools.includes(fact.tool)) {
    found.push(`in state ${call.state}, whose tools are ${tools.join(', ') || 'none'}`);
  }
  if (rules.permissions === undefined) return found;
  const mode = rules.permissions.find(({ agent, tool }) => agent === call.agent && tool === fact.tool)?.mode ?? 'none';
  if (mode !== 'write' && mode !== 'approve') found.push(`for ${call.agent}, which has mode ${mode} for it`);
  return found;
}

function tooLate({ sentAt }: FactOf<'Applied'>, deadline: number | undefined): readonly string[] {
  if (sentAt === undefined || deadline === undefined || sentAt <= deadline) return [];
  return [`on a call of ${sentAt}, after the deadline ${deadline} of its newest ledger entry`];
}

/** Proposed in the journal and opened in the ledger before; settled in the ledger, and told as it was, after. */
export function intentThenOutcome(report: Report, rules: Rules): Checker {
  const calls = new Calls();
  const skewMs = rules.skewMs ?? skewDefaultMs;
  const wrong = (run: string, sentence: string): void => report({ invariant: 'I13', run, sentence });
  const applied = (fact: FactOf<'Applied'>): void => {
    const call = calls.of(fact.identity, fact.run);
    call.applied += 1;
    if (call.proposed === undefined) wrong(fact.run, `${fact.tool} acted without being proposed in the journal first`);
    if (call.ledger === undefined) wrong(fact.run, `${fact.tool} acted without an open ledger entry`);
  };
  return {
    event(trace, event) {
      if (event.type === 'TurnProposed' || event.type === 'TurnCompleted') calls.turn(trace, event.turn);
      if (event.type !== 'TurnCompleted') return;
      for (const sentence of toldFalsely(event.turn, calls)) wrong(trace.run, sentence);
    },
    see(fact) {
      if (fact.kind === 'Applied' && fact.effect !== 'read') applied(fact);
      if (fact.kind !== 'LedgerWritten') return;
      const call = calls.of(fact.digest, fact.run);
      const sentence = outOfOrder(call.ledger, fact.entry, skewMs);
      if (sentence !== undefined) wrong(fact.run, sentence);
      call.ledger = fact.entry;
    },
    end() {
      for (const { run, applied: times, ledger } of calls.known.values()) {
        if (ledger?.state === 'done' && times === 0) wrong(run, 'a ledger entry is done, but the tool never acted');
        if (ledger?.state === 'refused' && times > 0) wrong(run, 'a ledger entry says refused, but the tool acted');
      }
    },
  };
}

/** What a turn says is done, and is not. */
function toldFalsely(turn: Turn, calls: Calls): readonly string[] {
  return turn.results.flatMap(({ outcome, receipt }) => {
    if (outcome !== 'ok' || receipt?.effect === undefined || receipt.effect === 'read') return [];
    const call = calls.known.get(receipt.digest);
    if (call?.ledger?.state !== 'done') {
      return [`${receipt.name} is told as done, its ledger entry is ${call?.ledger?.state ?? 'absent'}`];
    }
    return call.applied === 0 ? [`${receipt.name} is told as done, but it never acted`] : [];
  });
}

/** Why an entry may not follow the one before, undefined when it may. */
function outOfOrder(before: LedgerEntryFact | undefined, entry: LedgerEntryFact, skewMs: number): string | undefined {
  if (before === undefined) return entry.state === 'open' ? undefined : `a ledger entry began as ${entry.state}`;
  if (before.state === 'done') return `a ledger entry that was done became ${entry.state}`;
  if (before.state === 'ambiguous') return `an ambiguous ledger entry became ${entry.state}: it may act again`;
  if (before.state !== 'open' || entry.state !== 'open') return undefined;
  const other = processOf(before) !== processOf(entry);
  const early = before.deadline !== undefined && entry.at + skewMs < before.deadline;
  return other && early
    ? `a ledger entry was opened at ${entry.at} by another gateway, while the open one lasts until ${before.deadline}`
    : undefined;
}

const processOf = ({ opener }: LedgerEntryFact): string => opener?.split('/')[0] ?? '';
