// Owns: the logs of containers: one file each, cut at 10 MiB with one older file kept. The process appends by itself, so
// a busy supervisor never slows a Pod; the cut copies and truncates, and may lose lines written in that instant.
import { createReadStream } from 'node:fs';
import { copyFile, type FileHandle, mkdir, open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignalboxError } from '../../api/errors.ts';
import type { LogOptions } from '../contract.ts';
import { instancePaths, type InstancePaths } from '../plane/paths.ts';
import type { Pod } from './pod-spec.ts';

const cutBytes = 10 * 1024 * 1024;
const followPollMs = 200;

/** `<namespace>_<pod>_<uid>`: neither a namespace nor a Pod's name may hold an underscore. */
function folderName(pod: Pod): string {
  return `${pod.metadata.namespace}_${pod.metadata.name}_${pod.metadata.uid}`;
}

export async function openLogFile(paths: InstancePaths, pod: Pod, container: string): Promise<string> {
  const folder = join(paths.podLogs, folderName(pod));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return join(folder, `${container}.log`);
}

export async function removeLogs(paths: InstancePaths, pod: Pod): Promise<void> {
  await rm(join(paths.podLogs, folderName(pod)), { recursive: true, force: true });
}

/** Cuts the file when it is over the bound; call now and then. */
export async function cutLog(file: string, bytesMax = cutBytes): Promise<void> {
  const size = await sizeOf(file);
  if (size === undefined || size <= bytesMax) return;
  await copyFile(file, `${file}.1`);
  await truncate(file, 0);
}

async function sizeOf(file: string): Promise<number | undefined> {
  return stat(file).then(
    ({ size }) => size,
    () => undefined,
  );
}

/** Lines of one container, oldest first. Throws NOT_FOUND, naming what there is. */
export async function* logs(options: LogOptions): AsyncGenerator<string> {
  const file = await findLog(options);
  const kept = await keptLines(file);
  for (const line of options.tail === undefined ? kept.lines : kept.lines.slice(-Math.max(options.tail, 0))) {
    if (options.tail !== 0) yield line;
  }
  if (options.follow === true) yield* followFrom(file, kept.bytes, options.signal);
}

async function findLog(options: LogOptions): Promise<string> {
  const paths = instancePaths(options);
  const folders = await readdir(paths.podLogs).catch(() => [] as string[]);
  const prefix = `${options.namespace}_${options.pod}_`;
  const ages = await Promise.all(
    folders
      .filter((folder) => folder.startsWith(prefix))
      .map(async (folder) => ({ folder, at: (await stat(join(paths.podLogs, folder))).mtimeMs })),
  );
  const newest = ages.toSorted((a, b) => b.at - a.at)[0];
  if (newest === undefined) {
    throw new SignalboxError(
      'NOT_FOUND',
      `No logs of Pod ${options.namespace}/${options.pod} in instance "${paths.name}"; see \`signalbox status\` for the Pods that run.`,
    );
  }
  const names = (await readdir(join(paths.podLogs, newest.folder)))
    .filter((name) => name.endsWith('.log'))
    .map((name) => name.slice(0, -4));
  const container = options.container ?? names[0] ?? '';
  if (!names.includes(container)) {
    throw new SignalboxError(
      'NOT_FOUND',
      `Pod ${options.namespace}/${options.pod} has no logs of a container "${container}"; it has: ${names.join(', ') || 'none yet'}.`,
    );
  }
  return join(paths.podLogs, newest.folder, `${container}.log`);
}

async function keptLines(file: string): Promise<{ readonly lines: readonly string[]; readonly bytes: number }> {
  const bytes = (await sizeOf(file)) ?? 0;
  const lines: string[] = [];
  for (const [path, end] of [[`${file}.1`, undefined] as const, [file, bytes] as const]) {
    if (((await sizeOf(path)) ?? 0) === 0 || end === 0) continue;
    const input = createReadStream(path, end === undefined ? {} : { end: end - 1 });
    for await (const line of createInterface({ input, crlfDelay: Infinity })) lines.push(line);
  }
  return { lines, bytes };
}

/** The file stays open: what was written right before its Pod went is read although the name is gone. */
async function* followFrom(file: string, from: number, signal: AbortSignal | undefined): AsyncGenerator<string> {
  const source = await open(file, 'r').catch(() => undefined);
  if (source === undefined) return;
  let at = from;
  let rest = '';
  const decoder = new TextDecoder();
  try {
    while (signal?.aborted !== true) {
      const gone = (await sizeOf(file)) === undefined;
      const { size } = await source.stat();
      if (size < at) at = 0;
      if (size > at) {
        const chunk = await readRange(source, at, size);
        at += chunk.length;
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        yield* lines;
      }
      if (gone) return;
      await sleep(followPollMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  } finally {
    await source.close();
  }
}

async function readRange(source: FileHandle, from: number, to: number): Promise<Buffer> {
  const { buffer, bytesRead } = await source.read(Buffer.alloc(to - from), 0, to - from, from);
  return buffer.subarray(0, bytesRead);
}
