// Owns: Model. Sound, digested, and its Secret exists.
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { MODEL } from '../../ports/resources.ts';
import { type EndpointObserved, planEndpoint } from '../catalog/endpoint.ts';
import type { ModelObject } from '../catalog/objects.ts';
import { findingsOf, lookups } from '../catalog/findings.ts';
import type { SecretLook } from '../catalog/secrets.ts';
import { type Controller, planned } from '../controller/controller.ts';

/** Identity of the model's declaration: a Bundle pins it. */
export const modelDigest = (spec: ModelSpec): string => digest(spec);

export function modelController(look: SecretLook): Controller {
  return planned<EndpointObserved>({
    name: 'model',
    root: MODEL,
    fenced: true,
    async observe(root, caches) {
      const model = root as ModelObject;
      const { namespace = '', name } = model.metadata;
      const reference = model.spec.endpoint?.secretRef;
      return {
        root,
        findings: findingsOf(name, { kind: 'Model', spec: model.spec }, lookups(namespace, caches)),
        digest: modelDigest(model.spec),
        ...(reference === undefined
          ? {}
          : {
              secret: {
                name: reference.name,
                field: 'spec.endpoint.secretRef.name',
                state: await look(namespace, reference.name),
              },
            }),
      };
    },
    plan: planEndpoint,
  });
}
