// Owns: fetching one official file and proving that it is the pinned one before it is put anywhere.
//
// The pin is in `checksums.ts`: SHA-256 of the downloaded file, keyed by its URL. A checksum fetched from the same origin
// proves only that the transfer was whole, not who made the file; so a file without a pin is never downloaded, and the
// reason is said. `node local/assets/pin.ts` prints the entries on a machine that reaches the origins.
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { Agent, request } from 'undici';
import type { Binary } from './binaries.ts';
import { checksums } from './checksums.ts';

const connectTimeoutMs = 3_000;
const transferTimeoutMs = 300_000;
const redirectsMax = 5;
const run = promisify(execFile);

/** Throws, before anything is fetched, when the file has no pin. */
export function pinOf(binary: Binary): string {
  const pin = checksums[binary.download.url];
  if (pin === undefined) throw new Error(`skipped, since no SHA-256 is pinned for ${binary.download.url}`);
  return pin;
}

/** Puts the program at `target`, or throws an Error whose message says why not. */
export async function downloadBinary(binary: Binary, target: string): Promise<void> {
  const pin = pinOf(binary);
  const bytes = await fetchBytes(binary.download.url);
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== pin) throw new Error(`SHA-256 of ${binary.download.url} is ${found}, pinned is ${pin}`);
  await place(binary, bytes, target);
}

async function place(binary: Binary, bytes: Buffer, target: string): Promise<void> {
  const folder = await mkdtemp(`${target}.download-`);
  try {
    const file = join(folder, basename(binary.download.url));
    await writeFile(file, bytes, { mode: 0o755 });
    const { member } = binary.download;
    if (member !== undefined) await run('tar', ['-xzf', file, '-C', folder, member], { timeout: 60_000 });
    await rename(member === undefined ? file : join(folder, member), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** GET with a bound on connecting, on redirects and on the whole transfer. */
export async function fetchBytes(url: string): Promise<Buffer> {
  const dispatcher = new Agent({ connect: { timeout: connectTimeoutMs } });
  const signal = AbortSignal.timeout(transferTimeoutMs);
  try {
    let at = url;
    for (let hop = 0; hop <= redirectsMax; hop += 1) {
      const answer = await request(at, { dispatcher, signal, headersTimeout: 10_000 });
      const location = answer.headers['location'];
      if (answer.statusCode < 300) return Buffer.from(await answer.body.arrayBuffer());
      await answer.body.dump();
      if (answer.statusCode >= 400 || typeof location !== 'string') throw new Error(`${at}: HTTP ${answer.statusCode}`);
      at = new URL(location, at).href;
    }
    throw new Error(`${url}: more than ${redirectsMax} redirects`);
  } catch (error) {
    throw new Error(`${url}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    await dispatcher.destroy();
  }
}

/** The published SHA-256 of a binary's file, as its origin states it: what `pin.ts` records. */
export async function publishedChecksum(binary: Binary): Promise<string> {
  const text = (await fetchBytes(binary.download.sha256Url)).toString('utf8');
  const file = basename(binary.download.url);
  const line = text.split('\n').find((candidate) => candidate.includes(file)) ?? text;
  const match = /\b[0-9a-f]{64}\b/.exec(line);
  if (match === null) throw new Error(`${binary.download.sha256Url}: no SHA-256 for ${file}`);
  return match[0];
}
