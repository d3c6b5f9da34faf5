// Owns: telling operators how many open runs of a partition keep to which version (bucket `versions`). Derived: told again after
// a takeover or a reconnect.
//   R1: an end counts when it is a fact, a start before it is one: what has no runs here has none on disk.
//   R2: it is told with the revision of the catalog that was known at that moment: later starts go by this one or a newer one.
//   R3: while a rollout is under way, nothing that an owner of before decided by an older revision comes after what is told.
//   R4: an owner of before does not replace what a later one has told.
import { buckets } from '../../api/messages/subjects.ts';
import { type VersionReport, versionReportKey } from '../../api/messages/versions.ts';
import { canonicalJson } from '../../core/canonical/canonical.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';
import type { Catalog } from './catalog.ts';
import type { Partition } from './partition.ts';

const TELL_MS = 200;
const RETRY_MS = 1_000;
/** Below the server's bound of a message: some 7,000 versions with open runs. Above it nothing is told, and all are kept. */
export const reportBytesMax = 900_000;

export interface VersionReportsOptions {
  readonly bus: Bus;
  readonly log: Log;
  readonly partition: Partition;
  readonly catalog: Pick<Catalog, 'revision' | 'offered'>;
}

export class VersionReports {
  readonly #options: VersionReportsOptions;
  #bucket: Bucket<VersionReport> | undefined;
  #told = '';
  #timer: NodeJS.Timeout | undefined;
  #telling = false;
  #stopped = false;

  constructor(options: VersionReportsOptions) {
    this.#options = options;
  }

  /** Runs, or the catalog, have changed. */
  touch(afterMs = TELL_MS): void {
    if (this.#stopped || this.#telling) return;
    this.#timer ??= setTimeout(() => void this.#tell(), afterMs);
  }

  /** What was told may be gone. */
  again(): void {
    this.#told = '';
    this.touch();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #tell(): Promise<void> {
    this.#timer = undefined;
    this.#telling = true;
    let pauseMs: number | undefined;
    try {
      pauseMs = (await this.#once()) ? undefined : RETRY_MS;
    } catch (error) {
      this.#options.log.debug('it could not be told which versions runs keep to; it is tried again', { error });
      pauseMs = RETRY_MS;
    } finally {
      this.#telling = false;
    }
    // What changed meanwhile has asked in vain.
    if (pauseMs !== undefined || this.#text(this.#now()) !== this.#told) this.touch(pauseMs);
  }

  /** Resolves to false when somebody else was faster. */
  async #once(): Promise<boolean> {
    const { bus, partition } = this.#options;
    const counted = this.#now();
    const text = this.#text(counted);
    if (text === this.#told || !this.#fits(text)) return true;
    if (this.#options.catalog.offered().size > 0) await partition.fence();
    await partition.settled();
    const report: VersionReport = { ...counted, seq: partition.seq };
    this.#bucket ??= await bus.bucket<VersionReport>(buckets.versions);
    const key = versionReportKey(report.partition);
    const found = await this.#bucket.get(key);
    if (this.#stopped || !partition.serving || (found !== undefined && found.value.seq > report.seq)) return false;
    if ((await this.#bucket.update(key, report, found?.revision ?? 0)) === undefined) return false;
    this.#told = text;
    return true;
  }

  #now(): Omit<VersionReport, 'seq'> {
    const { partition, catalog } = this.#options;
    return { partition: partition.number, catalog: catalog.revision, ...partition.table.versions() };
  }

  #text(counted: Omit<VersionReport, 'seq'>): string {
    return canonicalJson(counted);
  }

  #fits(text: string): boolean {
    if (text.length <= reportBytesMax) return true;
    this.#told = text;
    this.#options.log.error('open runs keep to too many versions; none of them is removed until there are fewer', {
      bytes: text.length,
      allowed: reportBytesMax,
    });
    return false;
  }
}
