// Owns: the index of Tools by the Tool that is asked whether a call of theirs took effect.
import { TOOL } from '../../ports/resources.ts';
import type { Caches, Index } from '../controller/controller.ts';
import type { ToolObject } from '../catalog/objects.ts';

const name = 'query';

export const toolQueryIndex: Index<ToolObject> = {
  resource: TOOL,
  name,
  values({ metadata, spec }) {
    const asked = spec.onAmbiguous?.query?.tool;
    return asked === undefined ? [] : [`${metadata.namespace}/${asked}`];
  },
};

/** The Tools whose unknown calls are looked up with this one. */
export const askersOf = ({ metadata }: ToolObject, caches: Caches): readonly ToolObject[] =>
  caches.of<ToolObject>(TOOL).indexed(name, `${metadata.namespace}/${metadata.name}`);
