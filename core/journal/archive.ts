// Owns: how histories leave the journal: in segments, each with the events of many runs. A run's events form a chain: each
// segment names the segment with the events before.
import type { CommitRecord, HistoryEvent } from '../../api/messages/history.ts';

export interface ArchivedRun {
  readonly run: string;
  /** Segment with the run's events before these; 0: these are its first. */
  readonly before: number;
  readonly events: readonly HistoryEvent[];
}

export interface ArchiveSegment {
  readonly v: 1;
  /** Records of the journal that are in here. */
  readonly from: number;
  readonly to: number;
  readonly runs: readonly ArchivedRun[];
}

/** A segment is closed above this; compressed it is a fraction of it. */
const segmentBytesMax = 1_500_000;

export class SegmentBuilder {
  #runs = new Map<string, HistoryEvent[]>();
  #from = 0;
  #to = 0;
  #bytes = 0;

  /** True when the segment should be closed. */
  get full(): boolean {
    return this.#bytes >= segmentBytesMax;
  }

  get empty(): boolean {
    return this.#from === 0;
  }

  add(seq: number, record: CommitRecord, bytes: number): void {
    if (this.#from === 0) this.#from = seq;
    this.#to = seq;
    this.#bytes += bytes;
    for (const { run, events } of record.runs) {
      const known = this.#runs.get(run);
      if (known === undefined) this.#runs.set(run, [...events]);
      else known.push(...events);
    }
  }

  /** What was added, as a segment; `before`: where the run's earlier events are. */
  close(before: (run: string) => number): ArchiveSegment {
    const runs = [...this.#runs].map(([run, events]) => ({ run, before: before(run), events }));
    const segment = { v: 1, from: this.#from, to: this.#to, runs } as const;
    this.#runs = new Map();
    [this.#from, this.#to, this.#bytes] = [0, 0, 0];
    return segment;
  }
}
