// Owns: what was acknowledged, written down outside the disk that is cut, and looking for it afterwards.
//   A1: a fact is written down when its acknowledgement has arrived, never before.
//   A2: each fact says how it is recognised in the history of its run or in the ledger: by what was in it, not by a count.
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LedgerEntry } from '../../ports/journal.ts';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';

export type Fact =
  | { readonly kind: 'start'; readonly run: string; readonly key: string }
  | {
      readonly kind: 'proposal' | 'turn';
      readonly run: string;
      readonly activity: string;
      readonly attempt: number;
      readonly turn: number;
      readonly text: string;
    }
  | { readonly kind: 'complete'; readonly run: string; readonly activity: string; readonly mark: string }
  | { readonly kind: 'decision'; readonly run: string; readonly id: string; readonly decision: string }
  | { readonly kind: 'cancel'; readonly run: string }
  | { readonly kind: 'effect'; readonly run: string; readonly key: string; readonly mark: string }
  /** Published to the stream EVENTS; it is in the history once it was delivered. */
  | { readonly kind: 'event'; readonly run: string; readonly id: string };

export type FactKind = Fact['kind'];

/** What the system says of one run after a cut. */
export interface Told {
  /** Undefined: there is no such run. */
  readonly history: readonly HistoryEvent[] | undefined;
  readonly summary: RunSummary | undefined;
  readonly ledger: (key: string) => LedgerEntry | undefined;
}

export class Recorder {
  readonly #file: string;
  readonly #folder: string;
  readonly #byRun = new Map<string, Fact[]>();
  readonly #fresh = new Set<string>();
  readonly counts = new Map<FactKind, number>();
  total = 0;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'signalbox-acknowledged-'));
    this.#file = join(this.#folder, 'acknowledged.jsonl');
  }

  note(fact: Fact): void {
    appendFileSync(this.#file, `${JSON.stringify(fact)}\n`);
    const facts = this.#byRun.get(fact.run);
    if (facts === undefined) this.#byRun.set(fact.run, [fact]);
    else facts.push(fact);
    this.#fresh.add(fact.run);
    this.counts.set(fact.kind, (this.counts.get(fact.kind) ?? 0) + 1);
    this.total += 1;
  }

  facts(run: string): readonly Fact[] {
    return this.#byRun.get(run) ?? [];
  }

  get runs(): readonly string[] {
    return [...this.#byRun.keys()];
  }

  /** Runs with facts that were noted since this was last asked. */
  takeFresh(): readonly string[] {
    const fresh = [...this.#fresh];
    this.#fresh.clear();
    return fresh;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The facts that are not to be found. Events count only when `delivered`: they may still be on their way. */
export function lostOf(facts: readonly Fact[], told: Told, delivered: boolean): readonly Fact[] {
  return facts.filter((fact) => !isThere(fact, told, delivered));
}

function isThere(fact: Fact, told: Told, delivered: boolean): boolean {
  if (fact.kind === 'effect') {
    const entry = told.ledger(fact.key);
    return entry?.state === 'done' && JSON.stringify(entry.result).includes(fact.mark);
  }
  if (fact.kind === 'event' && !delivered) return true;
  const { history, summary } = told;
  const found = history?.find((event) => matches(fact, event));
  // A fact must also be folded: the engine that answers stands at least there.
  return found !== undefined && summary !== undefined && summary.seq >= found.seq;
}

function matches(fact: Exclude<Fact, { kind: 'effect' }>, event: HistoryEvent): boolean {
  switch (fact.kind) {
    case 'start':
      return event.type === 'RunStarted' && event.key === fact.key;
    case 'proposal':
    case 'turn':
      return (
        event.type === (fact.kind === 'turn' ? 'TurnCompleted' : 'TurnProposed') &&
        event.activity === fact.activity &&
        event.attempt === fact.attempt &&
        event.turn.turn === fact.turn &&
        event.turn.text === fact.text
      );
    case 'complete':
      return (
        event.type === 'ActivityCompleted' && event.activity === fact.activity && event.result['mark'] === fact.mark
      );
    case 'decision':
      return event.type === 'EscalationDecided' && event.id === fact.id && event.decision === fact.decision;
    case 'cancel':
      return event.type === 'CancelRequested';
    case 'event':
      return event.type === 'BusEventReceived' && event.id === fact.id;
  }
}
