// Records the histories of the current release. What is recorded stays as it is, also of this release: it is what later code must
// still play to the same end. `make golden`.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, type Golden, replay } from './history.ts';
import { scenarios } from './scenarios.ts';

const manifest = readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
const { version } = JSON.parse(manifest) as { version: string };
const folder = join(import.meta.dirname, 'histories', version);
const fileOf = (scenario: string): string => join(folder, `${scenario}.json`);
mkdirSync(folder, { recursive: true });
const missing = Object.entries(scenarios).filter(([scenario]) => !existsSync(fileOf(scenario)));
for (const [scenario, play] of missing) {
  const { events, state, definition } = play();
  const told = { run: state.run, workflow: definition.workflow, events };
  const end = replay(told);
  const golden: Golden = { release: version, scenario, ...told, end, digest: digestOf(end) };
  writeFileSync(fileOf(scenario), `${JSON.stringify(golden, undefined, 1)}\n`);
}
const kept = Object.keys(scenarios).length - missing.length;
process.stdout.write(`recorded ${missing.length} histories of release ${version}, ${kept} stay as they are\n`);
