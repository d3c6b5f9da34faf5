// Owns: the list of generated files: path from the root of the repository → content.
import { fileKinds, kinds } from '../../api/v1alpha1/kinds.ts';
import { crashPointsPage } from './crash-points.ts';
import { crdYaml } from './crds.ts';
import { referencePages } from './reference.ts';

/** Folders that hold generated files; others may stand beside them. */
export const generatedFolders = ['crds', 'docs/reference'] as const;

export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ...kinds.map((kind) => [`crds/${kind.plural}.yaml`, crdYaml(kind)] as const),
    ['docs/design/crash-points.md', crashPointsPage()],
    ...Array.from(referencePages(kinds, fileKinds), ([name, content]) => [`docs/reference/${name}`, content] as const),
  ]);
}
