// Owns: `make simulate-bugs`: every seeded bug must be found, by the invariant that it breaks, within SEEDS (5,000) worlds each;
// the source as it is must not. ONLY=name,name for some.
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
/** Worlds that the source as it is must survive. */
const cleanSeeds = 500;

interface Found {
  readonly seeds: number;
  readonly invariant?: string;
  readonly sentence?: string;
}

async function play(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Found> {
  try {
    const { stdout } = await run(process.execPath, [...args, hunt], {
      env: { ...process.env, ...env },
      maxBuffer: 1 << 26,
    });
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Found;
  } catch (error) {
    const { stderr } = error as { readonly stderr?: string };
    return {
      seeds: 0,
      sentence: `the hunt itself failed: ${(stderr ?? String(error)).trim().split('\n').slice(0, 6).join(' | ')}`,
    };
  }
}

const started = Date.now();
const only = process.env['ONLY']?.split(',');
const hunted = bugs.filter(({ name }) => only?.includes(name) ?? true);
const waiting: (Bug | undefined)[] = [...(only === undefined ? [undefined] : []), ...hunted];
const missed: string[] = [];
let most = 0;

async function next(): Promise<void> {
  for (let bug = waiting.shift(); waiting.length >= 0; bug = waiting.shift()) {
    if (bug === undefined && only !== undefined) return;
    if (bug === undefined) {
      const found = await play([], { SEEDS: String(cleanSeeds) });
      const clean = found.invariant === undefined && found.seeds === cleanSeeds;
      say(
        `${clean ? 'clean ' : 'DIRTY '} the source as it is: ${found.sentence ?? `${cleanSeeds} worlds, nothing found`}`,
      );
      if (!clean) missed.push('the source as it is');
    } else {
      const found = await play(['--import', infect], { BUG: bug.name });
      const caught = found.invariant !== undefined && bug.breaks.includes(found.invariant);
      most = Math.max(most, found.seeds);
      say(
        `${caught ? 'caught' : 'MISSED'} ${bug.name.padEnd(34)} ${(found.invariant ?? '-').padEnd(4)} after ${String(found.seeds).padStart(5)} seeds: ${found.sentence ?? 'nothing found'}`,
      );
      if (!caught) missed.push(bug.name);
    }
    if (waiting.length === 0) return;
  }
}

await Promise.all(Array.from({ length: Math.min(availableParallelism(), waiting.length) }, next));
for (const name of missed) say(`not caught: ${name}`);
const seconds = Math.round((Date.now() - started) / 100) / 10;
say(
  JSON.stringify({
    bugs: hunted.length,
    caught: hunted.length - missed.filter((name) => name !== 'the source as it is').length,
    missed,
    mostSeeds: most,
    seconds,
  }),
);
process.exit(missed.length === 0 ? 0 : 1);
