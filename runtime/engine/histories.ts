// Owns: reading what happened to one run: first the archive, then the journal.
import { SignalboxError } from '../../api/errors.ts';
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { PartitionWriter } from '../../core/journal/writer.ts';
import type { PartitionJournal } from '../../ports/journal.ts';
import { recordWith } from './record-search.ts';

export interface EventsPage {
  readonly events: HistoryEvent[];
  readonly more: boolean;
}

/** Events of a run in one archive segment. */
interface Link {
  readonly segment: number;
  readonly first: number;
  readonly last: number;
}

/** Records that are asked for at the same time. */
const readAhead = 16;
/** Chains of runs that were read lately: the next page needs not walk them again. */
const chainsMax = 32;

export class Histories {
  readonly #writer: PartitionWriter;
  readonly #journal: PartitionJournal;
  readonly #chains = new Map<string, readonly Link[]>();

  constructor(writer: PartitionWriter, journal: PartitionJournal) {
    this.#writer = writer;
    this.#journal = journal;
  }

  /** Everything from the event `after` on, up to `bytesMax`. */
  async read(run: string, after: number, bytesMax: number): Promise<EventsPage> {
    // A checkpoint may take records out of the journal meanwhile: then they are in the archive.
    return (await this.#try(run, after, bytesMax)) ?? (await this.#try(run, after, bytesMax)) ?? lost(run);
  }

  /** Undefined when a record has left the journal. */
  async #try(run: string, after: number, bytesMax: number): Promise<EventsPage | undefined> {
    const page = new Page(after, bytesMax);
    const records = this.#writer.recordsOf(run);
    for (const link of await this.#chain(run)) {
      if (link.last <= after) continue;
      for (const event of await this.#archived(run, link.segment)) if (!page.add(event)) return page.cut();
    }
    const from = await recordWith(records, after, async (seq) => (await this.#recorded(run, seq))?.[0]?.seq);
    if (from === undefined) return undefined;
    for (let at = from; at < records.length; at += readAhead) {
      const portion = records.slice(at, at + readAhead);
      for (const events of await Promise.all(portion.map((seq) => this.#recorded(run, seq)))) {
        if (events === undefined) return undefined;
        for (const event of events) if (!page.add(event)) return page.cut();
      }
    }
    return { events: page.events, more: false };
  }

  /** The run's events in one record; undefined when it has left the journal. */
  async #recorded(run: string, seq: number): Promise<readonly HistoryEvent[] | undefined> {
    const stored = await this.#journal.at(seq);
    return stored === undefined ? undefined : (stored.record.runs.find((known) => known.run === run)?.events ?? []);
  }

  /** The run's segments, the oldest first. */
  async #chain(run: string): Promise<readonly Link[]> {
    const newest = this.#writer.table.segmentOf(run);
    if (newest === 0) return [];
    const known = this.#chains.get(run) ?? [];
    const links: Link[] = [];
    for (let segment = newest; segment > 0;) {
      const at = known.findIndex((link) => link.segment === segment);
      if (at >= 0) {
        links.push(...known.slice(0, at + 1).toReversed());
        break;
      }
      const archived = await this.#entry(run, segment);
      const first = archived.events[0]?.seq ?? 0;
      links.push({ segment, first, last: archived.events.at(-1)?.seq ?? 0 });
      segment = archived.before;
    }
    const chain = links.toReversed();
    this.#chains.delete(run);
    this.#chains.set(run, chain);
    const oldest = this.#chains.size > chainsMax ? this.#chains.keys().next().value : undefined;
    if (oldest !== undefined) this.#chains.delete(oldest);
    return chain;
  }

  async #archived(run: string, segment: number): Promise<readonly HistoryEvent[]> {
    return this.#journal.archive.whole(await this.#entry(run, segment));
  }

  async #entry(run: string, segment: number) {
    const stored = await this.#journal.archive.read(segment);
    const entry = stored?.runs.find((known) => known.run === run);
    if (entry !== undefined) return entry;
    throw new SignalboxError('JOURNAL_CORRUPT', `segment ${segment} of the archive does not have run ${run}`);
  }
}

function lost(run: string): never {
  throw new SignalboxError('JOURNAL_CORRUPT', `records of run ${run} are neither in the journal nor in the archive`);
}

class Page {
  readonly events: HistoryEvent[] = [];
  readonly #bytesMax: number;
  #after: number;
  #bytes = 0;

  constructor(after: number, bytesMax: number) {
    this.#after = after;
    this.#bytesMax = bytesMax;
  }

  /** False when the page is full without it. */
  add(event: HistoryEvent): boolean {
    if (event.seq <= this.#after) return true;
    this.#bytes += JSON.stringify(event).length;
    if (this.#bytes > this.#bytesMax && this.events.length > 0) return false;
    this.events.push(event);
    this.#after = event.seq;
    return true;
  }

  cut(): EventsPage {
    return { events: this.events, more: true };
  }
}
