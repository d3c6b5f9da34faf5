import { readFileSync } from 'node:fs';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tenantAnnotations } from '../../core/tenant/bounds.ts';
import { limits, limitRows, valueOf } from './limits.ts';

const root = join(import.meta.dirname, '../..');
const sources = globSync('{api,core,runtime,adapters,operator}/**/*.ts', { cwd: root })
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => readFileSync(join(root, path), 'utf8'));
const inSources = (text: string): boolean => sources.some((source) => source.includes(text));

test('every limit has a value in the code, once, with a unit and a way to change it', () => {
  expect(new Set(limits.map(({ name }) => name)).size).toBe(limits.length);
  for (const { name, where, unit, meeting, change } of limits) {
    if (where !== undefined) expect(valueOf(where), name).toBeGreaterThan(0);
    expect(
      [unit, meeting, change].every((text) => text.length > 3),
      name,
    ).toBe(true);
  }
});

test('a bound that is gone from the code is noticed', () => {
  expect(() => valueOf('core/journal/writer.ts#recordBytesMost')).toThrow('has no number recordBytesMost');
  expect(valueOf('adapters/nats/admin.ts#journalBytesMax')).toBe(2 * 1024 ** 3);
});

test('every metric that is named is made, every setting and annotation is read', () => {
  for (const { metric } of limits) {
    if (metric === undefined) continue;
    // Those of storage are made of a prefix.
    const made = inSources(`'${metric}'`) || inSources(`gauge('${metric.replace('signalbox_engine_', '')}'`);
    expect(made, metric).toBe(true);
  }
  const named = limits.flatMap(({ change }) => change.match(/SIGNALBOX_[A-Z_]+|signalbox\.dev\/[a-z-]+/g) ?? []);
  expect(named).toEqual(expect.arrayContaining(Object.values(tenantAnnotations)));
  for (const name of named) expect(inSources(name), name).toBe(true);
});

test('every command that is named exists', () => {
  const reference = readFileSync(join(root, 'docs/reference/cli.md'), 'utf8');
  for (const [, command = ''] of limits.flatMap(({ change }) => [
    ...change.matchAll(/`(signalbox [a-z ]+?)(?: --[^`]*)?`/g),
  ])) {
    expect(reference.includes(command), command).toBe(true);
  }
});

test('what a status names is in the page', () => {
  const told = sources.flatMap((source) => [...source.matchAll(/\blimit: '([a-zA-Z]+)'/g)].map(([, name]) => name));
  expect(told.length).toBeGreaterThan(3);
  expect(limits.map(({ name }) => name)).toEqual(expect.arrayContaining(told));
  expect(limitRows()).toHaveLength(limits.length);
});
