// Owns: finding the five programs. Order: SIGNALBOX_ASSETS or KUBEBUILDER_ASSETS, cache, official download, go build.
// A program reaches the cache only by rename, so what is there is whole; one lock keeps two starts from building twice.
import { access, constants, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { SignalboxError } from '../../api/errors.ts';
import type { Progress } from '../contract.ts';
import { projectRoot } from '../plane/paths.ts';
import { binaries, cacheName, machine, type Binary, type BinaryName } from './binaries.ts';
import { buildBinary } from './build.ts';
import { downloadBinary, pinOf } from './download.ts';
import { withLock } from './lock.ts';

export type Assets = Readonly<Record<BinaryName, string>>;

const heartbeatMs = 15_000;

interface Source {
  readonly name: string;
  /** Path of the program, or an Error that says why this source has none. */
  readonly find: (binary: Binary) => Promise<string>;
}

/** `$XDG_CACHE_HOME/signalbox/assets`, by default below `~/.cache`. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'signalbox', 'assets');
}

/** Absolute paths of all programs; one line per program that had to be fetched or built. */
export async function resolveAssets(progress: Progress): Promise<Assets> {
  assertSupported(machine());
  const found: Partial<Record<BinaryName, string>> = {};
  const failures: string[] = [];
  for (const binary of binaries()) {
    const ready = await firstOf(binary, [environment(), cache()]);
    const result = 'path' in ready ? ready : await withCacheLock(binary, progress, ready.tried);
    if ('path' in result) found[binary.name] = result.path;
    else failures.push(`${binary.name} ${binary.version}\n${result.tried.map((line) => `  - ${line}`).join('\n')}`);
  }
  if (failures.length > 0) throw unavailable(failures);
  return found as Assets;
}

/** Said before anything is built for minutes. */
export function assertSupported({ os, arch }: ReturnType<typeof machine>): void {
  if (os === 'linux' && (arch === 'amd64' || arch === 'arm64')) return;
  throw new SignalboxError(
    'ASSET_UNAVAILABLE',
    `The local control plane runs on Linux (amd64 or arm64), found ${os} (${arch}). Use such a machine, a virtual one, or a container.`,
  );
}

type Outcome = { readonly path: string } | { readonly tried: readonly string[] };

async function firstOf(binary: Binary, sources: readonly Source[]): Promise<Outcome> {
  const tried: string[] = [];
  for (const source of sources) {
    try {
      return { path: await source.find(binary) };
    } catch (error) {
      tried.push(`${source.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { tried };
}

async function withCacheLock(binary: Binary, progress: Progress, before: readonly string[]): Promise<Outcome> {
  const folder = cacheFolder();
  await mkdir(folder, { recursive: true });
  const onWait = (): void =>
    progress(`${binary.name} ${binary.version}: another start is fetching it; waiting for that`);
  return withLock(join(folder, `${cacheName(binary)}.lock`), onWait, async () => {
    // Another start may have finished the same program while this one waited.
    const outcome = await firstOf(binary, [cache(), download(progress), goBuild(progress)]);
    return 'path' in outcome ? outcome : { tried: [...before, ...outcome.tried.slice(1)] };
  });
}

function environment(): Source {
  const folders = ['SIGNALBOX_ASSETS', 'KUBEBUILDER_ASSETS'];
  return {
    name: folders.join(', '),
    find: async (binary) => {
      const set = folders.filter((name) => (process.env[name] ?? '') !== '');
      for (const name of set) {
        const path = join(process.env[name] as string, binary.name);
        if (await executable(path)) return path;
      }
      throw new Error(
        set.length === 0
          ? 'not set'
          : `no executable ${binary.name} in ${set.map((name) => process.env[name]).join(' or ')}`,
      );
    },
  };
}

function cache(): Source {
  return {
    name: 'cache',
    find: async (binary) => {
      const path = join(cacheFolder(), cacheName(binary));
      if (await executable(path)) return path;
      throw new Error(`no ${path}`);
    },
  };
}

function download(progress: Progress): Source {
  return {
    name: 'download',
    find: async (binary) => {
      pinOf(binary);
      return timed(binary, progress, `download from ${new URL(binary.download.url).host}`, (target) =>
        downloadBinary(binary, target),
      );
    },
  };
}

function goBuild(progress: Progress): Source {
  const modules = join(projectRoot(), 'tools', 'assets');
  return {
    name: 'go build',
    find: (binary) =>
      timed(binary, progress, `go build ${binary.goPackage}`, (target) => buildBinary(binary, modules, target)),
  };
}

async function timed(
  binary: Binary,
  progress: Progress,
  way: string,
  make: (target: string) => Promise<void>,
): Promise<string> {
  const target = join(cacheFolder(), cacheName(binary));
  const what = `${binary.name} ${binary.version}`;
  const started = Date.now();
  const seconds = (): string => ((Date.now() - started) / 1000).toFixed(1);
  progress(`${what}: ${way}`);
  const heartbeat = setInterval(() => progress(`${what}: ${way}, ${seconds()} s so far`), heartbeatMs);
  try {
    await make(target);
    progress(`${what}: ${way} done in ${seconds()} s`);
    return target;
  } catch (error) {
    progress(`${what}: no ${way}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}

function unavailable(failures: readonly string[]): SignalboxError {
  const names = binaries().map((binary) => binary.name);
  return new SignalboxError(
    'ASSET_UNAVAILABLE',
    [
      'Some programs of the local control plane could not be found, downloaded or built:',
      ...failures,
      'Do one of these and try again:',
      `  - put ${names.join(', ')} into one folder and set SIGNALBOX_ASSETS to it`,
      '  - install Go 1.26 or later (https://go.dev/dl/) so that they can be built; it takes about 7 minutes on two cores, once',
    ].join('\n'),
  );
}

async function executable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
