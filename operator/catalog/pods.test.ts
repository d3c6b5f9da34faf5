import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { smallMemory } from './pods.ts';

interface Manifest {
  readonly kind: string;
  readonly spec?: {
    readonly template?: {
      readonly spec?: {
        readonly containers?: readonly { readonly env?: readonly { name: string; value?: string }[] }[];
      };
    };
  };
}

test.each(['engine', 'operator'] as const)('the manifest of the %s has the heap that is measured', (name) => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'deploy', `${name}.yaml`), 'utf8');
  const manifests = parseAllDocuments(text).map((document) => document.toJS() as Manifest | null);
  const deployment = manifests.find((manifest) => manifest?.kind === 'Deployment');
  const env = deployment?.spec?.template?.spec?.containers?.[0]?.env ?? [];
  for (const variable of smallMemory(name)) expect(env).toContainEqual(variable);
});
