// Owns: manifests as files: what they say, read as kubectl reads it (YAML 1.1), and at which line each value stands.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LineCounter, Node, Pair, Scalar, ScalarTag } from 'yaml';
import { SignalboxError } from '../../api/errors.ts';

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export type Path = readonly (string | number)[];

/** A place in a text that is a value; both from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/** One document of a file. */
export interface Source {
  readonly file: string;
  readonly value: unknown;
  /** Where the value at the path stands, or the closest one around it. */
  readonly placeOf: (path: Path, within?: TextPlace) => Place;
}

/** What is wrong, and where. */
export interface Mistake {
  readonly place: Place;
  readonly message: string;
}

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const FILES_MAX = 2_000;
/** Packages of others and hidden folders. */
const isForeign = /(^|[/\\])(node_modules|\.[^/\\.]+)[/\\]/;
const manifestName = /\.(ya?ml|json)$/;

/** Files of a folder and those below it, in order of name. */
export async function filesOf(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((cause: unknown) => unreadable(path, cause));
  if (!found.isDirectory()) return [path];
  const names = (await readdir(path, { recursive: true }))
    .filter((name) => manifestName.test(name) && !isForeign.test(name))
    .toSorted();
  if (names.length > FILES_MAX) {
    throw new SignalboxError('INVALID_INPUT', `${path} has ${names.length} manifests; allowed are up to ${FILES_MAX}`);
  }
  return names.map((name) => join(path, name));
}

export async function readText(path: string): Promise<string> {
  const found = await stat(path).catch((cause: unknown) => unreadable(path, cause));
  if (!found.isFile()) throw new SignalboxError('INVALID_INPUT', `${path} is no file; allowed is a file with text`);
  if (found.size > FILE_BYTES_MAX) {
    throw new SignalboxError('INVALID_INPUT', `${path} has ${found.size} bytes; allowed are up to ${FILE_BYTES_MAX}`);
  }
  return (await readFile(path).catch((cause: unknown) => unreadable(path, cause))).toString('utf8');
}

function unreadable(path: string, cause: unknown): never {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  const why = missing ? 'it does not exist' : (cause as Error).message;
  throw new SignalboxError(missing ? 'NOT_FOUND' : 'INVALID_INPUT', `${path} cannot be read: ${why}`, { cause });
}

/** The documents of a file, and what keeps it from being read. */
export async function parseSources(
  text: string,
  file: string,
): Promise<{ readonly sources: readonly Source[]; readonly mistakes: readonly Mistake[] }> {
  const yaml = await import('../output/yaml.ts');
  const lines = new yaml.LineCounter();
  const documents = yaml.parseAllDocuments(text, {
    version: '1.1',
    customTags: (tags) => [octal, ...tags.filter((tag) => typeof tag === 'string' || !unknownToKubectl(tag))],
    lineCounter: lines,
    prettyErrors: false,
  });
  const mistakes = documents.flatMap(({ errors }) =>
    errors.map(({ pos, message }) => ({ place: placed(file, lines, pos[0]), message })),
  );
  if (mistakes.length > 0) return { sources: [], mistakes };
  const numbers = documents.flatMap(({ contents }) =>
    inexact(contents, yaml.visit).map((node) => inexactMistake(node)),
  );
  function inexactMistake(node: Scalar): Mistake {
    const message = `found the number ${node.source}, which not every program keeps exactly; allowed: numbers of JSON, whole ones up to ±2^53, or a text`;
    return { place: placed(file, lines, node.range?.[0] ?? 0), message };
  }
  const sources = documents
    .filter(({ contents }) => contents !== null)
    .map((document): Source => {
      const contents = document.contents as Node;
      return {
        file,
        value: document.toJS({ maxAliasCount: 100 }),
        placeOf: (path, within) => placeIn({ file, text, lines, contents }, path, within),
      };
    });
  return { sources, mistakes: numbers };
}

/** Of YAML 1.1 what kubectl leaves a text: a date, and `09:00` as a number to the base of 60. */
const unknownToKubectl = ({ tag, format }: { readonly tag: string; readonly format?: string }): boolean =>
  tag === 'tag:yaml.org,2002:timestamp' || format === 'TIME';

/** Of YAML 1.2, which kubectl reads, too. */
const octal: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  format: 'OCT',
  default: true,
  identify: () => false,
  test: /^-?0o[0-7]+$/,
  resolve: (text) => (text.startsWith('-') ? -1 : 1) * Number.parseInt(text.replace(/^-?0o/, ''), 8),
};

/** Whole numbers that a program in JavaScript and one in Go read differently: they would be two contents of one digest. */
function inexact(contents: Node | null, visit: typeof import('yaml').visit): readonly Scalar[] {
  const found: Scalar[] = [];
  visit(contents, {
    Scalar: (_key, node) => {
      const { value } = node;
      const unsafe = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
      const noNumber = typeof value === 'number' && !Number.isFinite(value);
      if (typeof value === 'bigint' || noNumber || (unsafe && /^[-+]?\d[\d_]*$/.test(node.source ?? '')))
        found.push(node);
    },
  });
  return found;
}

interface Parsed {
  readonly file: string;
  readonly text: string;
  readonly lines: LineCounter;
  readonly contents: Node;
}

function placed(file: string, lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
}

function placeIn({ file, text, lines, contents }: Parsed, path: Path, within?: TextPlace): Place {
  const { node, rest } = descend(contents, path);
  const start = placed(file, lines, node.range?.[0] ?? 0);
  if (within === undefined || rest.length > 0) return start;
  const kind = (node as Scalar).type;
  if (kind !== 'BLOCK_LITERAL' && kind !== 'BLOCK_FOLDED') return start;
  const below = text.split('\n').slice(start.line);
  const indent = /^ */.exec(below.find((line) => line.trim() !== '') ?? '')?.[0].length ?? 0;
  return { file, line: start.line + within.line, column: indent + within.column };
}

/** As far as the path leads. */
function descend(from: Node, path: Path): { readonly node: Node; readonly rest: Path } {
  let node = from;
  for (const [index, step] of path.entries()) {
    const next = childOf(node, step);
    if (next === undefined) return { node, rest: path.slice(index) };
    node = next;
  }
  return { node, rest: [] };
}

function childOf(node: Node, step: string | number): Node | undefined {
  const { items } = node as { readonly items?: readonly unknown[] };
  if (items === undefined) return undefined;
  const pair = (items as readonly Partial<Pair<Scalar, Node | null>>[]).find(({ key }) => key?.value === step);
  if (pair !== undefined) return pair.value ?? pair.key;
  const item = typeof step === 'number' ? (items[step] as Node | undefined) : undefined;
  return item !== undefined && 'range' in item ? item : undefined;
}

/** `spec.states[book].goal` as steps. */
export function stepsOf(field: string): Path {
  return Array.from(field.matchAll(/([^.[\]]+)|\[([^\]]*)\]/g), ([, name, inside = '']) =>
    name === undefined && /^\d+$/.test(inside) ? Number(inside) : (name ?? inside),
  );
}
