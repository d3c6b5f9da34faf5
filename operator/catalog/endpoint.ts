// Owns: the decision about a Tool or a Model: both are a sound declaration, a digest of it, and perhaps a Secret.
import type { KubeObject } from '../../ports/kube.ts';
import type { Instant } from '../../ports/system.ts';
import type { Plan } from '../controller/plan.ts';
import { faults, type Findings, resolved } from './findings.ts';
import { accepted, notAccepted, ready, told, waiting } from './verdict.ts';

/** `unknown`: nobody may look. */
export interface SecretSight {
  readonly name: string;
  /** Field that names it. */
  readonly field: string;
  readonly state: 'present' | 'missing' | 'unknown';
}

export interface EndpointObserved {
  readonly root: KubeObject;
  readonly findings: Findings;
  readonly digest: string;
  readonly secret?: SecretSight | undefined;
}

/** A Secret made later is not watched: look again. */
const MISSING_AGAIN_MS = 10_000;
const PRESENT_AGAIN_MS = 600_000;

export function planEndpoint({ root, findings, digest, secret }: EndpointObserved, now: Instant): Plan {
  const fault = faults(findings);
  if (fault !== undefined) {
    return {
      commands: [],
      ...told(root, { verdict: fault, more: [notAccepted(fault), ...resolved(findings)], fields: { digest } }, now),
    };
  }
  const more = [accepted('The declaration is sound.'), ...resolved(findings)];
  if (secret?.state === 'missing') {
    const verdict = waiting(
      'CredentialNotFound',
      `${secret.field} names Secret ${root.metadata.namespace}/${secret.name}, which does not exist; create it, and calls will carry it.`,
    );
    return {
      commands: [],
      ...told(root, { verdict, more, fields: { digest } }, now),
      requeueAfterMs: MISSING_AGAIN_MS,
    };
  }
  const looked = secret?.state === 'unknown' ? ` The operator may not look whether Secret ${secret.name} exists.` : '';
  const verdict = ready('Accepted', `Ready to be used by a Bundle.${looked}`);
  return {
    commands: [],
    ...told(root, { verdict, more, fields: { digest } }, now),
    ...(secret === undefined ? {} : { requeueAfterMs: PRESENT_AGAIN_MS }),
  };
}
