// What the design pages name is there: files and folders of the project, and the pages they link to.
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const folders = [
  'adapters',
  'api',
  'bin',
  'cli',
  'core',
  'crds',
  'deploy',
  'docs',
  'examples',
  'local',
  'operator',
  'ports',
  'runtime',
  'test',
  'tools',
];
const isThere = (path: string): boolean => globSync(path, { cwd: root }).length > 0;

/** Paths in backticks: below a folder of the project, or of a source file. `*` and `{a,b}` may stand in them. */
function missingPaths(text: string): readonly string[] {
  const quoted = Array.from(
    text.matchAll(/`([A-Za-z0-9_.*{},-]+(?:\/[A-Za-z0-9_.*{},-]*)+)`/g),
    ([, path = '']) => path,
  );
  const ours = quoted.filter((path) => folders.includes(path.split('/')[0] ?? '') || path.endsWith('.ts'));
  return ours.filter((path) => !isThere(path.replace(/\/$/, '')));
}

function missingLinks(page: string, text: string): readonly string[] {
  const prose = text.replaceAll(/^```[^]*?^```|`[^`\n]*`/gm, '');
  const targets = Array.from(prose.matchAll(/\]\(([^)#\s]+)[^)]*\)/g), ([, target = '']) => target);
  return targets.filter((target) => !/^[a-z]+:/.test(target) && !isThere(join(dirname(page), target)));
}

const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => ({ page: `docs/${name}`, text: readFileSync(join(root, 'docs', name), 'utf8') }));
const designs = pages.filter(({ page }) => /^docs\/(design|adr)\//.test(page));

describe('every path that a design page names exists', () => {
  test.each(designs)('$page', ({ text }) => {
    expect(missingPaths(text)).toEqual([]);
  });
});

describe('every page that is linked to exists', () => {
  test.each(pages)('$page', ({ page, text }) => {
    expect(missingLinks(page, text)).toEqual([]);
  });
});

test('what is missing is seen', () => {
  expect(designs.length).toBeGreaterThan(4);
  expect(
    missingPaths('`core/gone.ts`, `engine/engine.ts`, `runtime/gone/`, `core/workflow`, `test/*.gone.ts`'),
  ).toEqual(['core/gone.ts', 'engine/engine.ts', 'runtime/gone/', 'test/*.gone.ts']);
  expect(missingLinks('docs/design/a.md', '[a](gone.md) [b](../adr/) [c](https://x.test/)')).toEqual(['gone.md']);
});
