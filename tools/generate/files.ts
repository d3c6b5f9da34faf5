// Owns: the list of generated files: path from the root of the repository → content.
import { kinds } from '../../api/v1alpha1/kinds.ts';
import { crdYaml } from './crds.ts';

/** Folders in which every file is generated. */
export const generatedFolders = ['crds'] as const;

export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map(kinds.map((kind) => [`crds/${kind.plural}.yaml`, crdYaml(kind)]));
}
