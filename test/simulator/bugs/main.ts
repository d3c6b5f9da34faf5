// Owns: `make simulate-bugs`: every seeded bug must be found, by an invariant that it breaks, within SEEDS (5,000) worlds each;
// the source as it is must survive. The last lines are a table and its sum as JSON. ONLY=name,name for some.
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bug } from './bug.ts';
import { bugs } from './bugs.ts';

const run = promisify(execFile);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const hunt = join(import.meta.dirname, 'hunt.ts');
const infect = join(import.meta.dirname, 'infect.ts');
/** As `make simulate` plays: see `main.ts` there. */
const flags = ['--no-parallel-scavenge', '--always-sparkplug', '--max-semi-space-size=24'];
/** Worlds that the source as it is must survive. */
const cleanSeeds = 500;
/** A bug that lets a world go on for ever ends here, as not found. */
const HUNT_MS = 900_000;

interface Found {
  readonly seeds: number;
  readonly invariant?: string;
  readonly sentence?: string;
}

async function play(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Found> {
  try {
    const { stdout } = await run(process.execPath, [...flags, ...args, hunt], {
      env: { ...process.env, ...env },
      maxBuffer: 1 << 26,
      timeout: HUNT_MS,
    });
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Found;
  } catch (error) {
    const { stderr = '', killed } = error as { readonly stderr?: string; readonly killed?: boolean };
    const why = killed === true ? `it took longer than ${HUNT_MS / 1_000} s` : stderr.trim() || String(error);
    return { seeds: 0, sentence: `the hunt itself failed: ${why.split('\n').slice(0, 6).join(' | ')}` };
  }
}

interface Row {
  readonly bug: string;
  readonly what: string;
  readonly caught: boolean;
  readonly by: string;
  readonly about: string;
  readonly seeds: number;
}

const started = Date.now();
const only = process.env['ONLY']?.split(',');
const unknown = only?.filter((wanted) => !bugs.some(({ name }) => name === wanted)) ?? [];
if (unknown.length > 0) {
  say(`ONLY names ${unknown.join(', ')}; allowed are ${bugs.map(({ name }) => name).join(', ')}`);
  process.exit(1);
}
const hunted = bugs.filter(({ name }) => only?.includes(name) ?? true);
const waiting: Bug[] = [...hunted];
const rows: Row[] = [];

async function next(): Promise<void> {
  for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
    const { name, what, breaks, scene } = bug;
    const about =
      Object.entries(scene ?? {})
        .map(([what, value]) => (value === true ? what : value))
        .join(' ') || 'anything';
    const found = await play(['--import', infect], { BUG: name });
    const caught = found.invariant !== undefined && breaks.includes(found.invariant);
    rows.push({ bug: name, what, caught, by: found.invariant ?? '-', about, seeds: found.seeds });
    const verdict = caught ? 'caught' : 'MISSED';
    say(`${verdict} ${name} after ${found.seeds} seeds: ${found.invariant ?? ''} ${found.sentence ?? 'nothing found'}`);
  }
}

/** The source as it is must survive, or else catching proves nothing. */
async function clean(): Promise<boolean> {
  const found = await play([], { SEEDS: String(cleanSeeds) });
  if (found.invariant === undefined && found.seeds === cleanSeeds) return true;
  say(`the source as it is does not survive: ${found.sentence ?? 'nothing was found'}`);
  return false;
}

const isClean = only === undefined ? clean() : Promise.resolve(true);
await Promise.all(Array.from({ length: Math.min(availableParallelism(), waiting.length) }, next));
const good = await isClean;
const order = new Map(bugs.map(({ name }, index) => [name, index]));
const sorted = rows.toSorted((left, right) => (order.get(left.bug) ?? 0) - (order.get(right.bug) ?? 0));
say('| bug | what | caught | by | worlds about | seeds |\n| --- | --- | --- | --- | --- | --- |');
for (const { bug, what, caught, by, about, seeds } of sorted) {
  say(`| ${bug} | ${what} | ${caught ? 'yes' : 'NO'} | ${by} | ${about} | ${seeds} |`);
}
const missed = sorted.filter(({ caught }) => !caught).map(({ bug }) => bug);
say(
  JSON.stringify({
    bugs: sorted.length,
    caught: sorted.length - missed.length,
    missed,
    mostSeeds: Math.max(0, ...sorted.map(({ seeds }) => seeds)),
    clean: good,
    seconds: Math.round((Date.now() - started) / 100) / 10,
  }),
);
process.exit(good && missed.length === 0 ? 0 : 1);
