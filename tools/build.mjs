// Bundles every entry point of the image into dist/ (one folder, shared chunks): quick start and little memory.
// Files are put in place one by one, chunks first: what runs, or starts meanwhile, finds a whole build. A chunk that no build
// needs any more is kept for a day, since a running process may yet load it.
import { build } from 'esbuild';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const entries = {
  signalbox: 'cli/main.ts',
  operator: 'operator/main.ts',
  engine: 'runtime/engine/main.ts',
  worker: 'runtime/worker/main.ts',
  gateway: 'runtime/gateway/main.ts',
  sandbox: 'runtime/sandbox/main.ts',
  'local-plane': 'local/main.ts',
};
const keepMs = 24 * 60 * 60 * 1000;
const chunks = join('dist', 'chunks');

mkdirSync(chunks, { recursive: true });
const fresh = mkdtempSync(join('dist', '.build-'));
try {
  await build({
    entryPoints: entries,
    outdir: fresh,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    sourcemap: 'linked',
    chunkNames: 'chunks/[name]-[hash]',
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
    logLevel: 'warning',
  });
  place(join(fresh, 'chunks'), chunks);
  place(fresh, 'dist');
  prune(chunks);
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

function place(from, to) {
  for (const file of readdirSync(from, { withFileTypes: true })) {
    if (file.isFile()) renameSync(join(from, file.name), join(to, file.name));
  }
}

/** Chunks that this build did not write anew, and that are old. */
function prune(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (Date.now() - statSync(path).mtimeMs > keepMs) rmSync(path, { force: true });
  }
}
