// Owns: the runs of one partition that this engine cannot go on with: people are told of each once, and no more when it goes on.
import type { EscalationRecord } from '../../api/messages/history.ts';
import { parkedNotice } from '../../core/escalation/notice.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { RunState } from '../../core/workflow/state.ts';
import type { Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';
import type { Catalog } from './catalog.ts';
import { Notices } from './notices.ts';

export interface ParkedOptions {
  readonly bus: Bus;
  readonly log: Log;
  readonly catalog: Catalog;
  readonly partition: number;
  readonly partitions: number;
}

/** A workflow may be on its way from the operator for this long. */
const missingMs = 10_000;
/** Runs of a partition that people are told of; the metric counts all. */
const toldMax = 1_000;

interface Parked {
  readonly state: RunState;
  readonly since: number;
}

export class ParkedRuns {
  readonly #options: ParkedOptions;
  readonly #runs = new Map<string, Parked>();
  readonly #notices: Notices;

  constructor(options: ParkedOptions) {
    this.#options = options;
    const { bus, log, partition, partitions } = options;
    const own = (record: EscalationRecord): boolean =>
      record.escalation.signal === 'unknownVersion' && partitionOf(record.run, partitions) === partition;
    this.#notices = new Notices({ bus, log, own, keys: /-parked$/ });
  }

  get size(): number {
    return this.#runs.size;
  }

  /** Looks at a run that has changed, or whose workflow has come. `defined`: its workflow is known here. */
  look(state: RunState, defined: boolean): void {
    const stands = state.parked !== undefined || (!defined && state.status !== 'Closed');
    if (!stands) this.#runs.delete(state.run);
    else this.#runs.set(state.run, { state, since: this.#runs.get(state.run)?.since ?? performance.now() });
  }

  /** The bucket may be new. */
  forget(): void {
    this.#notices.forget();
  }

  /** Says what is so now; what fails is said at the next call. */
  async tell(): Promise<void> {
    const records: EscalationRecord[] = [];
    for (const parked of this.#runs.values()) {
      if (records.length >= toldMax) break;
      const why = this.#why(parked);
      if (why !== undefined) records.push(parkedNotice(parked.state, why));
    }
    await this.#notices.say(records, (record) => ({ ...record, status: 'Closed' }));
  }

  #why({ state, since }: Parked): string | undefined {
    if (state.parked !== undefined) return state.parked;
    const unknown = this.#options.catalog.unknownIn(state.workflowDigest);
    if (unknown !== undefined) return unknown;
    if (!this.#options.catalog.synced || performance.now() - since < missingMs) return undefined;
    return `workflow ${state.workflow} at ${state.workflowDigest} is not in the catalog, where the operator keeps it while a run is pinned to it`;
  }
}
