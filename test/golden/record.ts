// Records the histories of the current release; never touches those of earlier ones. `make golden`.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, type Golden, replay } from './history.ts';
import { scenarios } from './scenarios.ts';

const manifest = readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
const { version } = JSON.parse(manifest) as { version: string };
const folder = join(import.meta.dirname, 'histories', version);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [scenario, play] of Object.entries(scenarios)) {
  const { events, state, definition } = play();
  const told = { run: state.run, workflow: definition.workflow, events };
  const end = replay(told);
  const golden: Golden = { release: version, scenario, ...told, end, digest: digestOf(end) };
  writeFileSync(join(folder, `${scenario}.json`), `${JSON.stringify(golden, undefined, 1)}\n`);
}
process.stdout.write(`recorded ${Object.keys(scenarios).length} histories of release ${version}\n`);
