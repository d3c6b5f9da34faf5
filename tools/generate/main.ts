// Writes everything that is generated from api/: `node tools/generate/main.ts`. With `--check` it writes nothing and fails
// when a file differs, is missing, or is left over from a kind that is gone.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { generatedNotice } from './crds.ts';
import { generatedFiles, generatedFolders } from './files.ts';

const root = join(import.meta.dirname, '../..');

async function differences(): Promise<readonly { readonly path: string; readonly content?: string }[]> {
  const files = generatedFiles();
  const changed: { path: string; content?: string }[] = [];
  for (const [path, content] of files) {
    const present = await readFile(join(root, path), 'utf8').catch(() => undefined);
    if (present !== content) changed.push({ path, content });
  }
  for (const folder of generatedFolders) {
    const names = await readdir(join(root, folder)).catch(() => []);
    for (const path of names.map((name) => `${folder}/${name}`)) {
      if (!files.has(path) && (await isGenerated(path))) changed.push({ path });
    }
  }
  return changed;
}

async function isGenerated(path: string): Promise<boolean> {
  return (await readFile(join(root, path), 'utf8')).slice(0, 200).includes(generatedNotice);
}

const changed = await differences();
if (process.argv.includes('--check')) {
  for (const { path } of changed) process.stderr.write(`${path} is not what api/ generates\n`);
  if (changed.length > 0) process.stderr.write('Run `make generate` and commit the result.\n');
  process.exitCode = changed.length > 0 ? 1 : 0;
} else {
  for (const { path, content } of changed) {
    if (content === undefined) await rm(join(root, path));
    else {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
    }
    process.stdout.write(`${content === undefined ? 'removed' : 'wrote'} ${path}\n`);
  }
}
