// Owns: parts of a Bundle that stand elsewhere. `{file: PATH}`, from the folder of the manifest, and `{configMap: {name, key}}`,
// of a ConfigMap among the files, stand for what they name: a prompt's text, or YAML for any other part.
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import { type Mistake, parseSources, type Path, type Place, readText, type Source } from './source.ts';

export interface Expanded {
  readonly source: Source;
  readonly mistakes: readonly Mistake[];
}

/** The text under a key of a ConfigMap, with where it stands. */
export interface ConfigText {
  readonly text: string;
  readonly placeOf: Source['placeOf'];
}
export type ConfigMaps = (name: string, key: string) => ConfigText | undefined;

type Reference = { readonly file: string } | { readonly configMap: { readonly name: string; readonly key: string } };

/** A part that was put in, and where its values stand. */
interface Part {
  readonly path: Path;
  readonly placeOf: Source['placeOf'];
}

export async function expand(source: Source, configMaps: ConfigMaps): Promise<Expanded> {
  const work = new Expansion(source, configMaps);
  const spec = await work.value((source.value as { readonly spec?: unknown }).spec, ['spec']);
  return { source: work.finish(spec), mistakes: work.mistakes };
}

class Expansion {
  readonly mistakes: Mistake[] = [];
  readonly #parts: Part[] = [];
  readonly #source: Source;
  readonly #configMaps: ConfigMaps;

  constructor(source: Source, configMaps: ConfigMaps) {
    this.#source = source;
    this.#configMaps = configMaps;
  }

  async value(value: unknown, path: Path): Promise<unknown> {
    if (typeof value !== 'object' || value === null) return value;
    const reference = referenceIn(value);
    if (reference !== undefined) return this.#part(reference, path);
    if (Array.isArray(value)) return Promise.all(value.map((item, index) => this.value(item, [...path, index])));
    const members = Object.entries(value).map(
      async ([name, member]) => [name, await this.value(member, [...path, name])] as const,
    );
    return Object.fromEntries(await Promise.all(members));
  }

  async #part(reference: Reference, path: Path): Promise<unknown> {
    const found =
      'file' in reference ? await this.#file(reference.file, path) : this.#config(reference.configMap, path);
    if (found === undefined) return undefined;
    const isPrompt = path.length === 3 && path[1] === 'prompts';
    if (isPrompt) {
      this.#parts.push({ path: [...path, 'text'], placeOf: (_path, within) => found.placeOf([], within) });
      return { text: found.text };
    }
    const place = found.placeOf([]);
    const { sources, mistakes } = await parseSources(found.text, place.file);
    const [only] = sources;
    if (only === undefined || sources.length > 1) {
      const several = `found ${sources.length} YAML documents in ${place.file}; allowed: one, which is the part`;
      this.mistakes.push(...(mistakes.length > 0 ? mistakes : [{ place, message: several }]));
      return undefined;
    }
    this.mistakes.push(...mistakes);
    // Lines of a ConfigMap's text are counted from where the text begins.
    const inFile = 'file' in reference;
    this.#parts.push({ path, placeOf: inFile ? only.placeOf : (below) => found.placeOf([], only.placeOf(below)) });
    return only.value;
  }

  async #file(name: string, path: Path): Promise<ConfigText | undefined> {
    const folder = dirname(this.#source.file);
    const file = join(folder, name);
    try {
      if (!(await isBelow(file, folder)) && !(await isBelow(file, process.cwd()))) {
        const message = `found "${name}", which lies elsewhere; allowed: a file below the manifest's folder or below the folder in which this runs`;
        throw new SignalboxError('INVALID_INPUT', message);
      }
      const text = await readText(file);
      return { text, placeOf: (_path, within) => ({ file, line: within?.line ?? 1, column: within?.column ?? 1 }) };
    } catch (error) {
      if (!isSignalboxError(error)) throw error;
      this.mistakes.push({ place: this.#source.placeOf(path), message: error.message });
      return undefined;
    }
  }

  #config({ name, key }: { readonly name: string; readonly key: string }, path: Path): ConfigText | undefined {
    const found = this.#configMaps(name, key);
    if (found === undefined) {
      const message = `found configMap "${name}" with key "${key}"; allowed: a ConfigMap among the files, with that key`;
      this.mistakes.push({ place: this.#source.placeOf(path), message });
    }
    return found;
  }

  /** The whole, in which each value stands where it was written. */
  finish(spec: unknown): Source {
    const { file, value, placeOf } = this.#source;
    const parts = this.#parts;
    return {
      file,
      value: { ...(value as object), spec },
      placeOf: (path, within): Place => {
        const part = parts.find(({ path: at }) => at.every((step, index) => step === path[index]));
        return part === undefined ? placeOf(path, within) : part.placeOf(path.slice(part.path.length), within);
      },
    };
  }
}

/** Through links, too: whoever may change a manifest may not read what else whoever runs this may read. */
async function isBelow(file: string, folder: string): Promise<boolean> {
  const real = async (path: string) => realpath(path).catch(() => resolve(path));
  const way = relative(await real(folder), await real(file));
  return !isAbsolute(way) && way !== '..' && !/^\.\.[/\\]/.test(way);
}

const only = (value: object, name: string): boolean => Object.keys(value).join() === name;

function referenceIn(value: object): Reference | undefined {
  const { file, configMap } = value as { readonly file?: unknown; readonly configMap?: unknown };
  if (only(value, 'file') && typeof file === 'string') return { file };
  const { name, key } = (configMap ?? {}) as { readonly name?: unknown; readonly key?: unknown };
  const named = typeof name === 'string' && typeof key === 'string';
  return only(value, 'configMap') && named ? { configMap: { name, key } } : undefined;
}
