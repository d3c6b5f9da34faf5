// Owns: `make rollout-stats`: how often each judge is wrong, over the same seeded rollouts.
//   ROLLOUTS (2,000 of each kind), SEED (1), JSON=1 (the last line), WRITE=1 (docs/design/rollout-judge.md). Ends with 1 when a
//   bound of ours is broken.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bounds, broken, figures, measure, settings } from './measure.ts';
import { powerTable } from './power.ts';
import { table, withTable } from './table.ts';

const { env } = process;
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const rollouts = Number(env['ROLLOUTS'] ?? 2_000);
const seed = Number(env['SEED'] ?? 1);
const powerPlays = 1_000;
const page = join(import.meta.dirname, '../../docs/design/rollout-judge.md');

const started = performance.now();
const measured = settings.map((setting) => measure(setting, { rollouts, seed }));
const seconds = Math.round((performance.now() - started) / 1_000);
const text = `${table(measured)}\n\n${powerTable(powerPlays, seed)}`;
say(text);
if (env['WRITE']) await writeFile(page, withTable(await readFile(page, 'utf8'), text));
const found = broken(measured);
for (const sentence of found) say(sentence);
say(
  `bounds: false rollback ≤ ${bounds.falseRollback * 100} %, bad promoted ≤ ${bounds.badPromoted * 100} %: ${found.length === 0 ? 'held' : 'BROKEN'}`,
);
if (env['JSON']) say(JSON.stringify({ rollouts, seed, ...figures(measured), seconds }));
process.exitCode = found.length === 0 ? 0 : 1;
