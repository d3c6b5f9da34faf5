// Owns: what is known of each call with an effect: proposed, opened in the ledger, made at the tool, told. The checkers see each
// fact before it counts here.
import type { HistoryEvent, Turn } from '../../api/messages/history.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import { callDigest } from '../permission/digest.ts';
import type { Fact, LedgerEntryFact } from './facts.ts';
import type { ProposedCall, RunTrace } from './trace.ts';

export interface CallTrace {
  readonly run: string;
  readonly proposed?: ProposedCall;
  readonly applied: number;
  readonly ledger?: LedgerEntryFact;
  /** Every outcome that was ever told of it. */
  readonly told: ReadonlySet<string>;
}

interface Known extends CallTrace {
  proposed?: ProposedCall;
  applied: number;
  ledger?: LedgerEntryFact;
  readonly told: Set<string>;
}

const unknown: CallTrace = { run: '', applied: 0, told: new Set() };

/** The calls of all runs by their digest: of {run, activity, tool, args}. */
export class Calls {
  readonly #known = new Map<string, Known>();
  /** Digests that were worked out: turns are reported twice. */
  readonly #digests = new Map<string, string>();

  of(identity: string): CallTrace {
    return this.#known.get(identity) ?? unknown;
  }

  all(): Iterable<readonly [string, CallTrace]> {
    return this.#known;
  }

  follow(trace: RunTrace, event: HistoryEvent): void {
    if (event.type === 'TurnProposed' || event.type === 'TurnCompleted') {
      this.#turn(trace, event.turn, event.type === 'TurnProposed');
    }
  }

  see(fact: Fact): void {
    if (fact.kind === 'LedgerWritten') this.#call(fact.digest, fact.run).ledger = fact.entry;
    if (fact.kind === 'Applied' && fact.effect !== 'read') this.#call(fact.identity, fact.run).applied += 1;
  }

  digestOf(
    run: string,
    activity: string,
    { tool, args }: { readonly tool: string; readonly args: JsonObject },
  ): string {
    const key = `${run} ${activity} ${tool} ${JSON.stringify(args)}`;
    const known = this.#digests.get(key) ?? callDigest({ run, activity, tool, args });
    this.#digests.set(key, known);
    return known;
  }

  /** What a call may do is settled when it is proposed, not when it is reported. */
  #turn({ run, activity, readOnly }: RunTrace, turn: Turn, anew: boolean): void {
    if (activity === undefined) return;
    const { activity: id, agent, state } = activity;
    for (const call of turn.calls) {
      const known = this.#call(this.digestOf(run, id, call), run);
      if (anew || known.proposed === undefined)
        known.proposed = { tool: call.tool, agent, state, activity: id, readOnly };
    }
    for (const call of turn.results) this.#call(this.digestOf(run, id, call), run).told.add(call.outcome);
  }

  #call(identity: string, run: string): Known {
    const known = this.#known.get(identity) ?? { run, applied: 0, told: new Set() };
    this.#known.set(identity, known);
    return known;
  }
}
