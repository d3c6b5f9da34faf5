// The list of failpoints is what the code has: each stands once, in the file that the list names.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { engineVerbs, gatewayVerbs, workerEngineVerbs } from '../api/messages/subjects.ts';
import { type Failpoint, failpoints, moments } from '../ports/failpoint.ts';
import { cases } from './crash/cases.ts';
import { planeCases } from './crash/plane-cases.ts';

const root = join(import.meta.dirname, '..');
const layers = ['api', 'core', 'adapters', 'operator', 'runtime', 'local', 'cli'];

/** `name` → the files that pass it, one entry for each place. */
function passed(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const layer of layers) {
    for (const name of readdirSync(join(root, layer), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
      const path = `${layer}/${name}`;
      for (const [, point = ''] of readFileSync(join(root, path), 'utf8').matchAll(/\bfailpoint\(\s*'([^']+)'/g)) {
        found.set(point, [...(found.get(point) ?? []), path]);
      }
    }
  }
  return found;
}

test('every failpoint of the list is passed in exactly one place, and no other is', () => {
  const listed = Object.entries<Failpoint>(failpoints).map(([name, { file }]) => [name, [file]]);
  expect(Object.fromEntries(passed())).toEqual(Object.fromEntries(listed));
});

test('every moment is swept, and only moments are', () => {
  const swept = new Set([
    ...cases.flatMap(({ moment, after }) => [moment, ...(after === undefined ? [] : [after])]),
    ...planeCases.flatMap((one) => one.moments),
  ]);
  expect([...swept].toSorted()).toEqual(moments().toSorted());
});

test('whatever changes a run is a moment', () => {
  const reads = ['show', 'history', 'list', 'await', 'project', 'tenant', 'status', 'outcomes', 'heartbeat'];
  const subjectsOf = (name: keyof typeof failpoints) => (failpoints[name] as Failpoint).subjects;
  expect(subjectsOf('engine.ask.decided')).toEqual(engineVerbs.filter((verb) => !reads.includes(verb)));
  expect(subjectsOf('engine.report.decided')).toEqual(workerEngineVerbs.filter((verb) => !reads.includes(verb)));
  expect(subjectsOf('gateway.ask.answered')).toEqual(gatewayVerbs);
});
