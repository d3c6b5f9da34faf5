// Owns: putting the bug named by BUG into the source while Node loads it. Loaded with `--import`, before everything else.
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { infect } from './bug.ts';
import { bugs } from './bugs.ts';

const root = join(import.meta.dirname, '../../..');
const bug = bugs.find(({ name }) => name === process.env['BUG']);
if (bug === undefined)
  throw new Error(`BUG is ${process.env['BUG'] ?? 'not set'}; allowed are ${bugs.map(({ name }) => name).join(', ')}`);
const edits = bug.edits.map((edit) => ({ ...edit, url: pathToFileURL(join(root, edit.file)).href }));

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const own = edits.filter((edit) => edit.url === url);
    if (own.length === 0) return loaded;
    const text =
      typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source as Uint8Array);
    return { ...loaded, source: own.reduce((source, edit) => infect(source, edit), text) };
  },
});
