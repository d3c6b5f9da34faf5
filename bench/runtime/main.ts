// Entry point of `make bench-runtime`. Settings come from the environment: QUICK=1, PARTS=abcd, PEERS=signalbox,restate,
// ROUNDS=3, WRITE=1 (the page RESULTS.md), JSON=1 (last line).
import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { latency, quiet, recovery, type Sizes, throughput, waiting } from './driver.ts';
import { jetstreamPeer } from './jetstream.ts';
import { describeMachine, fdatasyncMs } from './machine.ts';
import type { Arena, Peer } from './peer.ts';
import { notes, page, ratios, type Report, type Round, type Row, table, verdicts } from './report.ts';
import { signalboxPeer } from './signalbox.ts';
import { killAll } from './spawned.ts';

const full: Sizes = {
  latencyRuns: 100,
  latencyWarm: 20,
  throughputRuns: 2_000,
  throughputWarm: 300,
  kills: 5,
  waitingRuns: 10_000,
  settleMs: [5_000, 80_000],
  partMsMax: 60_000,
};
const short: Sizes = {
  latencyRuns: 40,
  latencyWarm: 10,
  throughputRuns: 1_000,
  throughputWarm: 300,
  kills: 2,
  waitingRuns: 2_000,
  settleMs: [3_000],
  partMsMax: 15_000,
};
const loadMax = 0.7;
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const setting = (name: string): string => process.env[name] ?? '';

const isQuick = setting('QUICK') !== '';
const sizes = isQuick ? short : full;
const rounds = Number(setting('ROUNDS') || (isQuick ? 1 : 3));
const parts = setting('PARTS') || 'abcd';
const wanted = (setting('PEERS') || 'signalbox,restate,dbos,temporal,jetstream').split(',');

/** What has to go also when somebody interrupts. */
const folders = new Set<string>();
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const folderOfPeers = join(import.meta.dirname, 'peers');

async function peerOf(name: string): Promise<Peer> {
  if (name === 'signalbox') return signalboxPeer;
  if (name === 'jetstream') return jetstreamPeer;
  const file = join(folderOfPeers, `${name}.mjs`);
  if (!existsSync(file))
    throw new Error(`PEERS names "${name}"; known are signalbox, restate, dbos, temporal, jetstream`);
  return ((await import(file)) as { readonly peer: Peer }).peer;
}

async function installPeers(): Promise<void> {
  if (existsSync(join(folderOfPeers, 'node_modules', '.package-lock.json'))) return;
  say('installing the packages of the peers …');
  const quietly = ['--no-fund', '--no-audit', '--no-update-notifier', '--loglevel=error'];
  await promisify(execFile)('npm', ['ci', ...quietly], { cwd: folderOfPeers });
}

/** Everything of one peer in one round, from nothing to nothing. */
async function round(peer: Peer, isLast: boolean): Promise<{ readonly versions: string; readonly result: Round }> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-'));
  folders.add(folder);
  let arena: Arena | undefined;
  try {
    const load = await quiet(loadMax, isQuick ? 0 : 60_000);
    arena = await peer.start(folder);
    const has = (part: string): boolean => parts.includes(part);
    const result: Round = {
      load,
      ...(has('a') ? { latency: await latency(arena, sizes) } : {}),
      ...(has('b') ? { throughput50: await throughput(arena, sizes, 50) } : {}),
      ...(has('b') ? { throughput200: await throughput(arena, sizes, 200) } : {}),
      ...(has('c') && isLast ? { recovery: await recovery(arena, sizes) } : {}),
      ...(has('d') && isLast ? { waiting: await waiting(arena, sizes) } : {}),
    };
    return { versions: arena.versions, result };
  } finally {
    await arena?.stop();
    await killAll();
    folders.delete(folder);
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(): Promise<readonly Row[]> {
  const rows = new Map<string, Row>();
  for (let number = 0; number < rounds; number += 1) {
    const order = wanted.map((_, at) => wanted[(at + number) % wanted.length] ?? '');
    for (const name of order) {
      const before = rows.get(name);
      if (before?.missing !== undefined) continue;
      say(`round ${number + 1} of ${rounds}: ${name}`);
      rows.set(name, await rowWith(name, before, number === rounds - 1));
    }
  }
  return wanted.flatMap((name) => rows.get(name) ?? []);
}

async function rowWith(name: string, before: Row | undefined, isLast: boolean): Promise<Row> {
  const known = before ?? { peer: name, durability: '', versions: '', rounds: [] };
  try {
    const peer = await peerOf(name);
    const { versions, result } = await round(peer, isLast);
    return { ...known, durability: peer.durability, versions, rounds: [...known.rounds, result] };
  } catch (error) {
    const missing = error instanceof Error ? (error.stack ?? error.message) : String(error);
    say(`${name}: ${missing}`);
    return { ...known, missing: missing.split('\n')[0] ?? missing };
  }
}

if (wanted.some((name) => !['signalbox', 'jetstream'].includes(name))) await installPeers();
const report: Report = {
  at: new Date().toISOString().slice(0, 16).replace('T', ' '),
  machine: await describeMachine(),
  fdatasyncMs: fdatasyncMs(tmpdir()),
  settings: `${rounds} round${rounds === 1 ? '' : 's'}, ${sizes.latencyRuns} runs one at a time, ${sizes.throughputRuns} in flight, ${sizes.kills} kills, ${sizes.waitingRuns} waiting.`,
  rows: await measure(),
};
process.stdout.write(`${table(report)}\n\n${verdicts(report)}\n\n${notes(report)}\n`);
if (setting('WRITE') !== '') await writeFile(join(import.meta.dirname, 'RESULTS.md'), page(report));
if (setting('JSON') !== '') process.stdout.write(`${JSON.stringify({ ratios: ratios(report), report })}\n`);
const failed = report.rows.some(({ peer, missing }) => peer === 'signalbox' && missing !== undefined);
process.exit(failed ? 1 : 0);
