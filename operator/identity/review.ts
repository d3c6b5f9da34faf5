// Owns: who a connecting pod is. The API server reviews the projected token; the pod's labels come from the API server too.
// Nothing that the client says about itself is believed.
import { natsAudience } from '../../api/messages/subjects.ts';
import { grantFor } from '../../core/identity/grants.ts';
import type { AuthCallout, Credential, Review } from '../../ports/identity.ts';
import type { Subscription } from '../../ports/bus.ts';
import type { Kube, KubeObject } from '../../ports/kube.ts';
import { apiVersionOf, POD, TOKEN_REVIEW } from '../../ports/resources.ts';

interface TokenReview extends KubeObject {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly error?: string;
    readonly audiences?: readonly string[];
    readonly user?: { readonly username?: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
  };
}

const podNameClaim = 'authentication.kubernetes.io/pod-name';
const podUidClaim = 'authentication.kubernetes.io/pod-uid';

export function startIdentity(kube: Kube, callout: AuthCallout): Promise<Subscription> {
  return callout.serve((credential) => reviewConnection(kube, credential));
}

export async function reviewConnection(kube: Kube, credential: Credential): Promise<Review> {
  if (credential.token === '') return refused('no token was presented: mount a projected service-account token');
  const review = await kube.create<TokenReview>(TOKEN_REVIEW, {
    apiVersion: apiVersionOf(TOKEN_REVIEW),
    kind: TOKEN_REVIEW.kind,
    metadata: { name: '' },
    spec: { token: credential.token, audiences: [natsAudience] },
  });
  const { authenticated, audiences, error } = review.status ?? {};
  if (!authenticated || !audiences?.includes(natsAudience)) {
    return refused(`the token is not valid for audience ${natsAudience}${error ? `: ${error}` : ''}`);
  }
  const bound = boundPod(review);
  if (!bound) return refused('the token is not bound to a pod');
  const { namespace, serviceAccount, name, uid } = bound;
  const pod = await kube.get(POD, { namespace, name });
  if (pod?.metadata.uid !== uid) return refused(`pod ${namespace}/${name} is gone`);
  const labels = pod.metadata.labels ?? {};
  const decision = grantFor({ namespace, serviceAccount, pod: name, labels }, credential.account);
  if (decision.kind === 'Refused') return decision;
  return { kind: 'Granted', grant: decision.grant, expires: expiryOf(credential.token) };
}

interface BoundPod {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly name: string;
  readonly uid: string;
}

/** The pod that a reviewed token is bound to. */
function boundPod({ status }: TokenReview): BoundPod | undefined {
  const { username = '', extra = {} } = status?.user ?? {};
  const [, namespace, serviceAccount] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
  const name = extra[podNameClaim]?.[0];
  const uid = extra[podUidClaim]?.[0];
  return namespace && serviceAccount && name && uid ? { namespace, serviceAccount, name, uid } : undefined;
}

/** `exp` of a token that the API server has just accepted, in milliseconds. */
function expiryOf(token: string): number {
  const [, payload = ''] = token.split('.');
  const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { readonly exp?: number };
  if (typeof exp !== 'number') throw new Error('the token has no expiry');
  return exp * 1000;
}

const refused = (message: string): Review => ({ kind: 'Refused', message });
