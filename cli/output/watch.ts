// Owns: watching by looking again. Shows nothing while nothing changes; ends at Ctrl-C.
import type { Host } from '../host.ts';

const EVERY_MS = 1000;
const CLEAR = '\u001b[H\u001b[2J';

async function pause(host: Host, ms: number): Promise<boolean> {
  try {
    await host.clock.sleep(ms, host.interrupted);
  } catch {
    return false;
  }
  return !host.interrupted.aborted;
}

/** A whole page, written again when it changed: over the old one on a terminal, below it elsewhere. */
export async function watched(host: Host, page: () => Promise<string>): Promise<void> {
  let last: string | undefined;
  do {
    const text = await page();
    if (text !== last) host.screen.raw(host.screen.terminal ? CLEAR + text : text);
    last = text;
  } while (await pause(host, EVERY_MS));
}

export interface Listing<Row> {
  readonly look: () => Promise<readonly Row[]>;
  readonly key: (row: Row) => string;
  /** `below` is absent at the first look; then it is every row, of which `rows` are those that changed. */
  readonly show: (rows: readonly Row[], below?: readonly Row[]) => Promise<void>;
}

/** Shows all rows, then those that are new or changed. */
export async function watchedRows<Row>(host: Host, listing: Listing<Row>): Promise<void> {
  const seen = new Map<string, string>();
  let first = true;
  do {
    const rows = await listing.look();
    const changed = rows.filter((row) => {
      const key = listing.key(row);
      const text = JSON.stringify(row);
      if (seen.get(key) === text) return false;
      seen.set(key, text);
      return true;
    });
    if (first) await listing.show(rows);
    else if (changed.length > 0) await listing.show(changed, rows);
    first = false;
  } while (await pause(host, EVERY_MS));
}
