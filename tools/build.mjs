// Bundles every entry point of the image into dist/ (one folder, shared chunks): quick start and little memory.
import { build } from 'esbuild';
import { existsSync, rmSync } from 'node:fs';

const entries = {
  signalbox: 'cli/main.ts',
  operator: 'operator/main.ts',
  engine: 'runtime/engine/main.ts',
  worker: 'runtime/worker/main.ts',
  gateway: 'runtime/gateway/main.ts',
  'local-plane': 'local/main.ts',
};
rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file))),
  outdir: 'dist',
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
