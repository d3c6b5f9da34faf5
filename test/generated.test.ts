// What is generated is what is committed, and what is generated is complete.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { reasons } from '../api/conditions.ts';
import { kinds } from '../api/v1alpha1/kinds.ts';
import { generatedNotice, objectSchema, rulesOf } from '../tools/generate/crds.ts';
import { generatedFiles, generatedFolders } from '../tools/generate/files.ts';
import type { Schema } from '../tools/generate/structural.ts';

const root = join(import.meta.dirname, '..');
const files = generatedFiles();

describe('committed files are what api/ generates (else: make generate)', () => {
  test.each([...files])('%s', (path, content) => {
    expect(existsSync(join(root, path)), `${path} is missing`).toBe(true);
    expect(readFileSync(join(root, path), 'utf8')).toBe(content);
  });
});

test('no generated file is left over', () => {
  const left = generatedFolders.flatMap((folder) =>
    readdirSync(join(root, folder))
      .map((name) => `${folder}/${name}`)
      .filter((path) => !files.has(path) && readFileSync(join(root, path), 'utf8').includes(generatedNotice)),
  );
  expect(left).toEqual([]);
});

test('every reason of the registry is given somewhere, and no other one', () => {
  const text = ['operator', 'core/admission']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(root, folder, name)),
    )
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const known = Object.keys(reasons);
  expect(known.filter((reason) => !text.includes(`'${reason}'`))).toEqual([]);
  const given = Array.from(text.matchAll(/reason: '([A-Z][A-Za-z]+)'/g), ([, reason]) => reason ?? '');
  // Invalid is a word of HTTP answers, not of conditions.
  expect(given.filter((reason) => !known.includes(reason) && reason !== 'Invalid')).toEqual([]);
});

interface Node {
  readonly path: string;
  readonly schema: Schema;
}
function* nodes(schema: Schema, path: string): Generator<Node> {
  yield { path, schema };
  for (const [name, child] of Object.entries(schema.properties ?? {})) yield* nodes(child, `${path}.${name}`);
  if (schema.items !== undefined) yield* nodes(schema.items, `${path}[]`);
  if (schema.additionalProperties !== undefined) yield* nodes(schema.additionalProperties, `${path}[*]`);
}

describe.each(kinds)('$kind', (definition) => {
  const schema = objectSchema(definition);
  const all = [...nodes(schema, definition.kind)];

  test('every field says what it means', () => {
    const silent = all.filter(
      ({ path, schema: { description } }) => description === undefined && !/(\]|\.(spec|status|metadata))$/.test(path),
    );
    expect(silent.map(({ path }) => path)).toEqual([]);
  });
  test('every rule names what it is about and starts in lower case, as the API server puts the path before it', () => {
    for (const { schema: node } of all) {
      for (const { message, rule } of rulesOf(node)) {
        expect(message.length, rule).toBeLessThan(256);
        expect(message, rule).toMatch(/^[a-z]/);
      }
    }
  });
  test('conditions merge by type, so that two writers can own different ones', () => {
    expect(schema.properties?.['status']?.properties?.['conditions']).toMatchObject({
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    });
  });
  test('status carries the fence of leadership', () => {
    expect(schema.properties?.['status']?.['x-kubernetes-validations']).toHaveLength(1);
  });
  test('columns read fields that exist, or a condition', () => {
    const fields = new Set(all.map(({ path }) => path.slice(definition.kind.length)));
    for (const { jsonPath } of definition.printerColumns) {
      const known =
        fields.has(jsonPath.replaceAll('[*]', '[]')) ||
        jsonPath.startsWith('.status.conditions[?(@.type==') ||
        jsonPath === '.metadata.creationTimestamp';
      expect(known, jsonPath).toBe(true);
    }
  });
});

test('no field is named by a word that YAML 1.1 reads as a boolean or null', () => {
  const words = /^(y|yes|n|no|on|off|true|false|null|~)$/i;
  const fields = kinds.flatMap((kind) =>
    [...nodes(objectSchema(kind), kind.kind)].map(({ path }) => path.split('.').at(-1) ?? ''),
  );
  expect(fields.filter((name) => words.test(name))).toEqual([]);
});

test('a CRD is read alike by YAML 1.1 and 1.2', () => {
  for (const [path, content] of files) {
    if (path.endsWith('.yaml')) expect(parse(content, { version: '1.1' })).toEqual(parse(content, { version: '1.2' }));
  }
});
