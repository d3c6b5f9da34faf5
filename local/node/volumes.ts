// Owns: the files of a Pod's volumes. A volume with content is a link to a folder that is replaced as a whole, so a
// reader sees all old or all new files; an emptyDir is a folder. A mount is a link at its path below the container root.
import { mkdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { fieldValue, missing, MissingSource, type Sources } from './environment.ts';
import type { Container, DownwardSource, NamedSource, Pod, ProjectedSource, TokenSource, Volume } from './pod-spec.ts';

/** Relative path → content. */
export type VolumeFiles = ReadonlyMap<string, Buffer>;

export interface VolumeInput {
  readonly pod: Pod;
  readonly podIP: string;
  readonly sources: Sources;
  /** The current token of one `serviceAccountToken` source. */
  readonly token: (source: TokenSource) => Promise<string>;
}

/** What the volume holds now, or undefined for an emptyDir. Throws MissingSource, naming what is absent. */
export async function volumeFiles(volume: Volume, input: VolumeInput): Promise<VolumeFiles | undefined> {
  if (volume.emptyDir !== undefined) return undefined;
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap !== undefined) return named('configMap', configMap, input.sources);
  if (secret !== undefined) return named('secret', secret, input.sources);
  if (downwardAPI !== undefined) return downward(downwardAPI, input);
  if (projected !== undefined) {
    const parts = await Promise.all((projected.sources ?? []).map((source) => projectedFiles(source, input)));
    return new Map(parts.flatMap((part) => [...part]));
  }
  throw new MissingSource(
    `volume "${volume.name}" is of a type the local node does not have; ` +
      'allowed are configMap, secret, projected, downwardAPI and emptyDir',
  );
}

async function projectedFiles(source: ProjectedSource, input: VolumeInput): Promise<VolumeFiles> {
  if (source.serviceAccountToken !== undefined) {
    const token = await input.token(source.serviceAccountToken);
    return new Map([[source.serviceAccountToken.path, Buffer.from(token)]]);
  }
  if (source.configMap !== undefined) return named('configMap', source.configMap, input.sources);
  if (source.secret !== undefined) return named('secret', source.secret, input.sources);
  return source.downwardAPI === undefined ? new Map() : downward(source.downwardAPI, input);
}

function named(kind: 'configMap' | 'secret', source: NamedSource, sources: Sources): VolumeFiles {
  const name = source.secretName ?? source.name ?? '';
  const values = sources[kind](name);
  if (values === undefined) {
    if (source.optional === true) return new Map();
    throw missing(kind, name);
  }
  if (source.items === undefined) return values;
  const files = new Map<string, Buffer>();
  for (const { key, path } of source.items) {
    const value = values.get(key);
    if (value !== undefined) files.set(path, value);
    else if (source.optional !== true) throw missing(kind, name, key);
  }
  return files;
}

function downward(source: DownwardSource, input: VolumeInput): VolumeFiles {
  return new Map(
    (source.items ?? []).map(({ path, fieldRef }) => {
      const value = fieldValue(input.pod, input.podIP, fieldRef?.fieldPath ?? '');
      if (value === undefined) throw new MissingSource(`the local node has no field "${fieldRef?.fieldPath}"`);
      return [path, Buffer.from(value)];
    }),
  );
}

/** Folder of the volume's files; stable over replacements. */
export function volumePath(podFolder: string, volumeName: string): string {
  return join(podFolder, 'volumes', volumeName);
}

/** Root of the container's file view: the value of SIGNALBOX_ROOT. */
export function containerRoot(podFolder: string, containerName: string): string {
  return join(podFolder, 'root', containerName);
}

export async function makeEmptyVolume(podFolder: string, volumeName: string): Promise<void> {
  await mkdir(volumePath(podFolder, volumeName), { recursive: true, mode: 0o700 });
}

/** Swaps in a new set of files at once and drops the old one. `version` must differ from the last one. */
export async function replaceVolume(
  podFolder: string,
  volumeName: string,
  files: VolumeFiles,
  version: number,
): Promise<void> {
  const link = volumePath(podFolder, volumeName);
  const folder = `${link}.${version}`;
  for (const [path, content] of files) {
    const target = join(folder, normalize(join('/', path)));
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(target, content, { mode: 0o600 });
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const before = await readlink(link).catch(() => undefined);
  await symlink(folder, `${link}.new`);
  await rename(`${link}.new`, link);
  if (before !== undefined && before !== folder) await rm(before, { recursive: true, force: true });
}

/** Links every mount of the container; made once, since volumes are replaced behind their links. */
export async function linkMounts(podFolder: string, container: Container): Promise<void> {
  const root = containerRoot(podFolder, container.name);
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true, mode: 0o700 });
  const outermostFirst = [...(container.volumeMounts ?? [])].toSorted(
    (a, b) => a.mountPath.length - b.mountPath.length,
  );
  for (const mount of outermostFirst) {
    const at = join(root, normalize(join('/', mount.mountPath)));
    const subPath = normalize(join('/', mount.subPath ?? ''));
    await mkdir(dirname(at), { recursive: true, mode: 0o700 });
    await symlink(join(volumePath(podFolder, mount.name), subPath), at.replace(/\/$/, ''));
  }
}

/** True when both hold the same paths and bytes. */
export function sameFiles(a: VolumeFiles, b: VolumeFiles): boolean {
  return a.size === b.size && [...a].every(([path, content]) => b.get(path)?.equals(content) === true);
}
