// The layer rules that project references cannot state. Each rule is also shown a violation, so that it cannot go blind.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

interface Source {
  /** From the root of the project, such as `core/cel/cel.ts`. */
  readonly path: string;
  readonly text: string;
}
type Rule = (source: Source) => readonly string[];

/** What each layer may import of the others, and of npm. `node:` is allowed from ports upward. */
const layers: Readonly<Record<string, { readonly layers: readonly string[]; readonly packages: readonly string[] }>> = {
  api: { layers: [], packages: ['zod'] },
  core: { layers: ['api'], packages: ['@bufbuild/cel', '@noble/hashes'] },
  ports: { layers: ['api', 'core'], packages: [] },
  adapters: {
    layers: ['api', 'core', 'ports'],
    packages: [
      '@kubernetes/client-node',
      '@modelcontextprotocol/sdk',
      '@nats-io',
      'ajv',
      'express',
      'openai',
      'pino',
      'prom-client',
      'undici',
      'zod',
    ],
  },
  operator: { layers: ['api', 'core', 'ports'], packages: ['express', 'zod'] },
  runtime: { layers: ['api', 'core', 'ports'], packages: ['ajv', 'express', 'zod'] },
  local: { layers: ['api', 'core', 'ports'], packages: ['@nats-io', 'undici', 'yaml'] },
  cli: {
    layers: ['api', 'core', 'ports'],
    packages: ['@modelcontextprotocol/sdk', 'commander', 'undici', 'yaml', 'zod'],
  },
  tools: { layers: ['api', 'core', 'ports'], packages: ['esbuild', 'yaml', 'zod'] },
};
const shells = ['operator', 'runtime', 'local', 'cli'];
const pureLayers = ['api', 'core'];
const bannedNames = [
  'util',
  'utils',
  'helper',
  'helpers',
  'manager',
  'data',
  'info',
  'handle',
  'process',
  'context',
  'index',
];
/** The one manager: it starts and stops controllers in order. */
const allowedNames = ['operator/controller/manager.ts'];
const linesMax = 400;

const layerOf = (path: string) => path.split('/')[0] ?? '';
const isMain = (path: string) => basename(path) === 'main.ts';
const isTest = (path: string) => path.endsWith('.test.ts') || layerOf(path) === 'test';

/** What a file imports: paths from the root for relative imports, names of packages for others. */
function imports({ path, text }: Source): readonly string[] {
  const found = text.matchAll(
    /^\s*(?:import|export)\b[^'";]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return Array.from(found, ([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '').map((target) =>
    target.startsWith('.') ? normalize(join(dirname(path), target)) : target,
  );
}
const internal = (source: Source) => imports(source).filter((target) => layers[layerOf(target)] !== undefined);
const external = (source: Source) =>
  imports(source).filter(
    (target) => layers[layerOf(target)] === undefined && !target.includes('..') && !target.endsWith('.ts'),
  );

const rules: Readonly<Record<string, Rule>> = {
  'a layer imports only the layers below it': (source) => {
    const from = layerOf(source.path);
    const composes = isMain(source.path) ? ['adapters', ...(from === 'cli' ? ['local'] : [])] : [];
    const allowed = [from, ...(layers[from]?.layers ?? []), ...composes];
    return internal(source).filter((target) => !allowed.includes(layerOf(target)));
  },
  'adapters are imported by a main.ts only': (source) =>
    layerOf(source.path) === 'adapters' || isMain(source.path)
      ? []
      : internal(source).filter((target) => layerOf(target) === 'adapters'),
  'sibling adapters do not know each other': ({ path, text }) => {
    const folder = path.split('/')[1];
    if (layerOf(path) !== 'adapters') return [];
    return internal({ path, text }).filter(
      (target) => layerOf(target) === 'adapters' && target.split('/')[1] !== folder,
    );
  },
  'shells do not import each other, except cli/main.ts the local control plane': (source) => {
    const from = layerOf(source.path);
    if (!shells.includes(from)) return [];
    const allowed = source.path === 'cli/main.ts' ? [from, 'local'] : [from];
    return internal(source).filter((target) => shells.includes(layerOf(target)) && !allowed.includes(layerOf(target)));
  },
  'a layer uses only its packages': (source) => {
    const from = layerOf(source.path);
    const allowed = layers[from]?.packages ?? [];
    return external(source).filter((target) =>
      target.startsWith('node:')
        ? pureLayers.includes(from)
        : !allowed.some((name) => target === name || target.startsWith(`${name}/`)),
    );
  },
  'core has no clock, no chance and no I/O': ({ path, text }) => {
    if (!pureLayers.includes(layerOf(path))) return [];
    const code = text.replaceAll(/\/\*[^]*?\*\/|\/\/.*$|'(?:[^'\\\n]|\\.)*'/gm, '');
    const found = code.matchAll(
      /\b(?:new Date|Date\.|Math\.random|performance\.|setTimeout|setInterval|process\.|console\.|await |async )/g,
    );
    return Array.from(found, ([word]) => word.trim());
  },
  'a file has a name that says what it is': ({ path }) => {
    const name = basename(path).replace(/\.ts$/, '');
    if (allowedNames.includes(path)) return [];
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) return [`${name}: kebab-case is wanted`];
    return name.split('-').some((word) => bannedNames.includes(word))
      ? [`${name}: ${bannedNames.join(', ')} say nothing`]
      : [];
  },
  'a file has at most 400 lines': ({ text }) => {
    const lines = text.split('\n').length - 1;
    return lines > linesMax ? [`${lines} lines`] : [];
  },
};

/** One violation of each rule. */
const violations: Readonly<Record<keyof typeof rules, Source>> = {
  'a layer imports only the layers below it': {
    path: 'core/a.ts',
    text: "import type { Kube } from '../ports/kube.ts';",
  },
  'adapters are imported by a main.ts only': {
    path: 'runtime/worker/turn.ts',
    text: "import {\n  connectNats,\n} from '../../adapters/nats/nats.ts';",
  },
  'sibling adapters do not know each other': {
    path: 'adapters/model/a.ts',
    text: "export { connectNats } from '../nats/nats.ts';",
  },
  'shells do not import each other, except cli/main.ts the local control plane': {
    path: 'cli/up.ts',
    text: "const { up } = await import('../local/main.ts');",
  },
  'a layer uses only its packages': { path: 'core/a.ts', text: "import { readFile } from 'node:fs/promises';" },
  'core has no clock, no chance and no I/O': { path: 'core/a.ts', text: 'const now = Date.now(); // Date.now' },
  'a file has a name that says what it is': { path: 'core/run-helper.ts', text: '' },
  'a file has at most 400 lines': { path: 'core/a.ts', text: 'a\n'.repeat(401) },
};

function sources(): readonly Source[] {
  return Object.keys(layers).flatMap((layer) =>
    readdirSync(join(root, layer), { recursive: true, encoding: 'utf8' })
      .map((name) => `${layer}/${name}`)
      .filter(
        (path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !path.includes('node_modules') && !isTest(path),
      )
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') })),
  );
}

const all = sources();

describe.each(Object.entries(rules))('%s', (name, rule) => {
  test('holds', () => {
    expect(all.flatMap((source) => rule(source).map((what) => `${source.path}: ${what}`))).toEqual([]);
  });
  test('is seen when it is broken', () => {
    const violation = violations[name];
    expect(violation && rule(violation)).not.toEqual([]);
  });
});

test('there is something to look at', () => {
  expect(all.length).toBeGreaterThan(50);
});

test('every package that is used is declared, at an exact version', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  const nameOf = (target: string) =>
    target
      .split('/')
      .slice(0, target.startsWith('@') ? 2 : 1)
      .join('/');
  const used = new Set(
    all
      .flatMap(external)
      .filter((target) => !target.startsWith('node:'))
      .map(nameOf),
  );
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  expect([...used].filter((name) => !declared.includes(name))).toEqual([]);
  for (const version of Object.values({ ...manifest.dependencies, ...manifest.devDependencies })) {
    expect(version).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+$/);
  }
});
