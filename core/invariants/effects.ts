// Owns: what must hold of effects, at the tool, in the ledger and in the history.
//   I2: at most one effect per key.   I4: none without a grant.   I13: intent before effect, outcome after.
import type { Turn } from '../../api/messages/history.ts';
import type { Calls } from './calls.ts';
import type { Checker, FactOf, LedgerEntryFact, Report, Rules } from './facts.ts';
import type { ProposedCall, RunTrace } from './trace.ts';

const skewDefaultMs = 500;

export function effectsHappenOnce(report: Report, _rules: Rules, calls: Calls): Checker {
  return {
    see(fact) {
      if (fact.kind !== 'Applied' || fact.effect === 'read') return;
      const { applied } = calls.of(fact.identity);
      if (applied === 0) return;
      report({
        invariant: 'I2',
        run: fact.run,
        sentence: `${fact.tool} acted ${applied + 1} times for one call (${fact.identity})`,
      });
    },
    end() {
      for (const [identity, { run, applied, told }] of calls.all()) {
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
export function effectsAreGranted(report: Report, rules: Rules, calls: Calls): Checker {
  const runs = new Map<string, RunTrace>();
  const opened = new Map<string, number>();
  return {
    event(trace) {
      runs.set(trace.run, trace);
    },
    see(fact) {
      if (fact.kind === 'LedgerWritten' && fact.entry.deadline !== undefined)
        opened.set(fact.digest, fact.entry.deadline);
      if (fact.kind !== 'Applied' || fact.effect === 'read') return;
      const call = calls.of(fact.identity).proposed;
      const { started, readOnly = false } = runs.get(fact.run) ?? {};
      const workflow = started?.workflow ?? '';
      // Read-only since before it was proposed; one that was lifted meanwhile forbids nothing.
      const found = call === undefined ? [] : outsideGrant(rules, { fact, call, workflow, readOnly });
      for (const why of [...found, ...tooLate(fact, opened.get(fact.identity))]) {
        report({ invariant: 'I4', run: fact.run, sentence: `${fact.tool} acted ${why}` });
      }
    },
  };
}

function outsideGrant(
  rules: Rules,
  given: {
    readonly fact: FactOf<'Applied'>;
    readonly call: ProposedCall;
    readonly workflow: string;
    readonly readOnly: boolean;
  },
): readonly string[] {
  const { fact, call, workflow, readOnly } = given;
  const found: string[] = [];
  if (call.readOnly && readOnly) found.push('although the run was read-only when it was proposed');
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
export function intentThenOutcome(report: Report, rules: Rules, calls: Calls): Checker {
  const skewMs = rules.skewMs ?? skewDefaultMs;
  const wrong = (run: string, sentence: string): void => report({ invariant: 'I13', run, sentence });
  const applied = (fact: FactOf<'Applied'>): void => {
    const call = calls.of(fact.identity);
    if (call.proposed === undefined) wrong(fact.run, `${fact.tool} acted without being proposed in the journal first`);
    if (call.ledger === undefined) wrong(fact.run, `${fact.tool} acted without an open ledger entry`);
  };
  return {
    event(trace, event) {
      if (event.type !== 'TurnCompleted') return;
      for (const sentence of toldFalsely(event.turn, calls)) wrong(trace.run, sentence);
    },
    see(fact) {
      if (fact.kind === 'Applied' && fact.effect !== 'read') applied(fact);
      if (fact.kind !== 'LedgerWritten') return;
      const sentence = outOfOrder(calls.of(fact.digest).ledger, fact.entry, skewMs);
      if (sentence !== undefined) wrong(fact.run, sentence);
    },
    end() {
      for (const [, { run, applied: times, ledger }] of calls.all()) {
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
    const call = calls.of(receipt.digest);
    if (call.ledger?.state !== 'done') {
      return [`${receipt.name} is told as done, its ledger entry is ${call.ledger?.state ?? 'absent'}`];
    }
    return call.applied === 0 ? [`${receipt.name} is told as done, but it never acted`] : [];
  });
}

/** Why an entry may not follow the one before, undefined when it may. */
function outOfOrder(before: LedgerEntryFact | undefined, entry: LedgerEntryFact, skewMs: number): string | undefined {
  // One that is denied before it began is refused at once.
  const mayBegin = entry.state === 'open' || entry.state === 'refused';
  if (before === undefined) return mayBegin ? undefined : `a ledger entry began as ${entry.state}`;
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
