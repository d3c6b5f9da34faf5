// Owns: what happened on real processes, as facts in order of time: the journal's records, the ledger's entries, what the tools
// did, and what was told to whom. The checkers of `core/invariants` look at it.
import { DeliverPolicy } from '@nats-io/jetstream';
import { natsJournal, type NatsBus } from '../../adapters/nats/nats.ts';
import type { EscalationRecord } from '../../api/messages/history.ts';
import { buckets, streams } from '../../api/messages/subjects.ts';
import type { Effect } from '../../api/v1alpha1/tool.ts';
import { type Fact, inOrder, type LedgerEntryFact, type Rules, type Violation } from '../../core/invariants/facts.ts';
import { type Coverage, coverageOf } from '../../core/invariants/vacuity.ts';
import { Watch } from '../../core/invariants/watch.ts';
import { callDigest } from '../../core/permission/digest.ts';

/** What a tool did, by the tool's own clock. */
export interface Acted {
  readonly at: number;
  readonly run: string;
  readonly activity: string;
  readonly tool: string;
  readonly effect: Effect;
  readonly args: { readonly [name: string]: string };
}

type NoteOf<K extends Fact['kind']> = Omit<Extract<Fact, { readonly kind: K }>, 'at'>;
export type Note = NoteOf<'Acknowledged'> | NoteOf<'Answered'> | NoteOf<'Faulted'> | NoteOf<'Recovered'>;

/** Who still writes at rest has this long to be seen. */
const REST_MS = 2_000;

/** How often the journals are read along. */
const FOLLOW_MS = 250;

type LedgerFact = Extract<Fact, { kind: 'LedgerWritten' }>;

/** A journal loses what is in a checkpoint. What it lost before it was read here is a gap: from then on only later runs count. */
export class Recording {
  readonly #partitions: number;
  readonly #rules: Rules;
  readonly #coverage: Coverage[] = [];
  readonly #journalAt = new Map<number, { seq: number; at: number }>();
  readonly #begun = new Set<string>();
  #watch: Watch;
  #records: Fact[] = [];
  #notes: Fact[] = [];
  #acted: Acted[] = [];
  #ledgerSeq = 0;
  #gaps = 0;
  /** Gaps before what the watch has seen. */
  #watchedFrom = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(partitions: number, rules: Rules) {
    this.#partitions = partitions;
    this.#rules = rules;
    this.#watch = new Watch(rules);
  }

  /** Reads the journals along, until the function that it gives is called. */
  follow(control: NatsBus): () => void {
    const timer = setInterval(() => void this.#read(control).catch(() => undefined), FOLLOW_MS);
    return () => clearInterval(timer);
  }

  get gaps(): number {
    return this.#gaps;
  }

  note(note: Note): void {
    this.#notes.push({ ...note, at: Date.now() });
  }

  acted(acted: Acted): void {
    this.#acted.push(acted);
  }

  get coverage(): readonly Coverage[] {
    return this.#coverage;
  }

  /** Collects what is new; call it when nothing is under way. */
  async collect(control: NatsBus): Promise<readonly Violation[]> {
    await this.#read(control);
    const ledger = await this.#ledger(control);
    const acted = this.#acted.map((one) => applied(one, ledger));
    const facts = inOrder([...this.#records, ...ledger, ...acted, ...this.#notes]).flatMap((fact) =>
      this.#counted(fact),
    );
    [this.#records, this.#notes, this.#acted] = [[], [], []];
    if (this.#watchedFrom !== this.#gaps) this.#watch = new Watch({ ...this.#rules, fromTheMiddle: true });
    this.#watchedFrom = this.#gaps;
    const known = this.#watch.violations.length;
    for (const fact of facts) this.#watch.see(fact);
    this.#coverage.push(coverageOf(facts));
    return this.#watch.violations.slice(known);
  }

  /** After a gap: a fact of a run whose beginning was seen. */
  #counted(fact: Fact): readonly Fact[] {
    if (this.#gaps === 0) return [fact];
    if (fact.kind === 'Appended') {
      for (const { run, events } of fact.record.runs) if (events[0]?.type === 'RunStarted') this.#begun.add(run);
      const runs = fact.record.runs.filter(({ run }) => this.#begun.has(run));
      return [{ ...fact, record: { ...fact.record, runs } }];
    }
    return 'run' in fact && fact.run !== undefined && !this.#begun.has(fact.run) ? [] : [fact];
  }

  /** Everything that is wrong, once every fault is over and everything has come to its end. `listed`: every question is shown. */
  async end(control: NatsBus, { listed }: { readonly listed: boolean }): Promise<readonly Violation[]> {
    await this.collect(control);
    if (listed) await this.#list(control);
    this.#watch.see({ kind: 'Rested', at: Date.now() });
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    await this.collect(control);
    return this.#watch.end(true);
  }

  async #list(control: NatsBus): Promise<void> {
    const bucket = await control.bucket<EscalationRecord>(buckets.escalations);
    const entries = await Promise.all((await bucket.keys()).map((key) => bucket.get(key)));
    const escalations = entries.flatMap((entry) => (entry === undefined ? [] : [entry.value]));
    this.#watch.see({ kind: 'Listed', at: Date.now(), escalations });
  }

  /** One reading at a time. */
  #read(control: NatsBus): Promise<void> {
    this.#reading = this.#reading.catch(() => undefined).then(() => this.#readOn(control));
    return this.#reading;
  }

  /** A record is as late as its latest event: nothing that follows from it can have been before. */
  async #readOn(control: NatsBus): Promise<void> {
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      const last = this.#journalAt.get(partition) ?? { seq: 0, at: 0 };
      this.#journalAt.set(partition, last);
      const journal = await natsJournal(control).partition(partition);
      for await (const { seq, record } of journal.read(last.seq + 1)) {
        if (seq !== last.seq + 1) this.#gap();
        last.seq = seq;
        last.at = Math.max(last.at, ...record.runs.flatMap(({ events }) => events.map(({ at }) => at)));
        this.#records.push({ kind: 'Appended', at: last.at, partition, seq, record });
      }
    }
  }

  #gap(): void {
    this.#gaps += 1;
    this.#begun.clear();
    this.#records = [];
  }

  async #ledger(control: NatsBus): Promise<readonly LedgerFact[]> {
    const end = (await control.manager.streams.info(streams.ledger)).state.last_seq;
    const facts: LedgerFact[] = [];
    if (end <= this.#ledgerSeq) return facts;
    const consumer = await control.jetstream.consumers.get(streams.ledger, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#ledgerSeq + 1,
    });
    const messages = await consumer.consume({ max_messages: 500 });
    for await (const message of messages) {
      const entry = message.json<LedgerEntryFact>();
      const run = message.subject.split('.')[2] ?? '';
      const at = Number(message.timestampNanos / 1_000n) / 1_000;
      facts.push({ kind: 'LedgerWritten', at, run, digest: entry.digest, revision: message.seq, entry });
      if (message.seq >= end) break;
    }
    messages.stop();
    await consumer.delete().catch(() => false);
    this.#ledgerSeq = end;
    return facts;
  }
}

/** The tool's clock tells milliseconds, the server's less: a call came after the entry that was opened for it. */
function applied({ at, run, activity, tool, effect, args }: Acted, ledger: readonly LedgerFact[]): Fact {
  const identity = callDigest({ run, activity, tool, args });
  const opened = ledger.findLast(
    (fact) => fact.digest === identity && fact.entry.state === 'open' && fact.at >= at && fact.at < at + 1,
  );
  return { kind: 'Applied', at: opened?.at ?? at, run, tool, effect, identity };
}
