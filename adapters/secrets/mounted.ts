// Owns: credentials, as files of mounted Secrets. Read at each use, so a rotated Secret counts from the next call on.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignalboxError } from '../../api/errors.ts';
import type { Credentials } from '../../ports/agent.ts';

/** `directory` holds `<secret>/<key>`. A trailing line break is not part of the value. */
export function mountedSecrets(directory: string): Credentials {
  return {
    async read({ name, key }) {
      const safe =
        /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) && /^[-._a-zA-Z0-9]+$/.test(key) && !key.startsWith('..');
      try {
        if (!safe) throw new Error('not a valid name');
        const text = await readFile(join(directory, name, key), 'utf8');
        return text.replace(/\r?\n$/, '');
      } catch (cause) {
        throw new SignalboxError(
          'NOT_FOUND',
          `Secret "${name}" has no key "${key}" here: create the Secret in the same namespace; it is mounted within a minute`,
          { cause },
        );
      }
    },
  };
}
