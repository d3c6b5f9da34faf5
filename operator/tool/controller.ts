// Owns: Tool. Sound, digested, and its Secret exists.
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { keyOf, TOOL } from '../../ports/resources.ts';
import { type EndpointObserved, planEndpoint } from '../catalog/endpoint.ts';
import type { ToolObject } from '../catalog/objects.ts';
import { findingsOf, lookups } from '../catalog/findings.ts';
import type { SecretLook } from '../catalog/secrets.ts';
import { type Caches, type Controller, planned } from '../controller/controller.ts';
import { askersOf, toolQueryIndex } from './askers.ts';

/** Identity of the contract: a Bundle pins it. */
export const toolDigest = (spec: ToolSpec): string => digest(spec);

export function toolController(look: SecretLook): Controller {
  return planned<EndpointObserved>({
    name: 'tool',
    root: TOOL,
    fenced: true,
    indexes: [toolQueryIndex],
    watches: [{ resource: TOOL, map: (tool: ToolObject, caches: Caches) => askersOf(tool, caches).map(keyOf) }],
    async observe(root, caches) {
      const tool = root as ToolObject;
      const { namespace = '', name } = tool.metadata;
      const reference = tool.spec.credential?.secretRef;
      return {
        root,
        findings: findingsOf(name, { kind: 'Tool', spec: tool.spec }, lookups(namespace, caches)),
        digest: toolDigest(tool.spec),
        ...(reference === undefined
          ? {}
          : {
              secret: {
                name: reference.name,
                field: 'spec.credential.secretRef.name',
                state: await look(namespace, reference.name),
              },
            }),
      };
    },
    plan: planEndpoint,
  });
}
