// Owns: notices in the bucket `escalations`: questions that no run's history asks. They are derived from what is so now, and
// closed when it is no longer so, whoever wrote them.
import type { EscalationRecord } from '../../api/messages/history.ts';
import { buckets } from '../../api/messages/subjects.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';

export interface NoticeOptions {
  readonly bus: Bus;
  readonly log: Log;
  /** Whether a record in the bucket is one of these notices. */
  readonly own: (record: EscalationRecord) => boolean;
  /** Tells such keys from the many others without reading them. */
  readonly keys: RegExp;
}

const keyOf = ({ namespace, escalation }: EscalationRecord): string => `${namespace}.${escalation.id}`;

export class Notices {
  readonly #options: NoticeOptions;
  /** Open in the bucket; undefined until it was looked at. */
  #open: Map<string, EscalationRecord> | undefined;
  #bucket: Bucket<EscalationRecord> | undefined;
  #working = false;

  constructor(options: NoticeOptions) {
    this.#options = options;
  }

  /** The bucket may be new. */
  forget(): void {
    this.#open = undefined;
  }

  /**
   * Makes the bucket say exactly these; `over`: how one that is no longer so ended. One call at a time: a call meanwhile is left
   * out, and so is a failed one, since the next says it all again.
   */
  async say(wanted: readonly EscalationRecord[], over: (record: EscalationRecord) => EscalationRecord): Promise<void> {
    if (this.#working || (wanted.length === 0 && this.#open?.size === 0)) return;
    this.#working = true;
    try {
      this.#bucket ??= await this.#options.bus.bucket<EscalationRecord>(buckets.escalations);
      this.#open ??= await this.#found(this.#bucket);
      const [bucket, open] = [this.#bucket, this.#open];
      for (const record of wanted) await this.#each(record, () => this.#put(bucket, open, record));
      const keys = new Set(wanted.map(keyOf));
      for (const [key, record] of open)
        if (!keys.has(key)) await this.#each(record, () => this.#close(bucket, open, over(record)));
    } catch (error) {
      this.#options.log.debug('notices could not be written; they are tried again', { error });
    } finally {
      this.#working = false;
    }
  }

  /** One that cannot be written does not hold up the others. */
  async #each({ run, escalation }: EscalationRecord, write: () => Promise<void>): Promise<void> {
    await write().catch((error: unknown) => {
      this.#options.log.debug('a notice could not be written; it is tried again', { run, id: escalation.id, error });
    });
  }

  async #close(
    bucket: Bucket<EscalationRecord>,
    open: Map<string, EscalationRecord>,
    ended: EscalationRecord,
  ): Promise<void> {
    await bucket.put(keyOf(ended), ended);
    open.delete(keyOf(ended));
  }

  async #put(
    bucket: Bucket<EscalationRecord>,
    open: Map<string, EscalationRecord>,
    record: EscalationRecord,
  ): Promise<void> {
    const key = keyOf(record);
    const known = open.get(key);
    if (known !== undefined && known.openedAt === record.openedAt) return;
    await bucket.put(key, record);
    open.set(key, record);
  }

  async #found(bucket: Bucket<EscalationRecord>): Promise<Map<string, EscalationRecord>> {
    const open = new Map<string, EscalationRecord>();
    for (const key of await bucket.keys()) {
      if (!this.#options.keys.test(key)) continue;
      const record = (await bucket.get(key))?.value;
      if (record?.status === 'Open' && this.#options.own(record)) open.set(key, record);
    }
    return open;
  }
}
