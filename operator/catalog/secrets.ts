// Owns: whether a Secret exists. One named question for its metadata; its content never reaches this process.
import { isSignalboxError } from '../../api/errors.ts';
import type { Kube } from '../../ports/kube.ts';
import { SECRET } from '../../ports/resources.ts';
import type { SecretSight } from './endpoint.ts';

export type SecretLook = (namespace: string, name: string) => Promise<SecretSight['state']>;

export function secretLook(kube: Pick<Kube, 'get'>): SecretLook {
  return async (namespace, name) => {
    try {
      const found = await kube.get(SECRET, { namespace, name }, { metadataOnly: true });
      return found === undefined ? 'missing' : 'present';
    } catch (error) {
      if (isSignalboxError(error, 'KUBE_FORBIDDEN')) return 'unknown';
      throw error;
    }
  };
}
