// Owns: may this caller do this? The engine has no rights of its own: it asks the API server with the caller's own token.
//   X1: an error denies.   X2: an answer is believed for at most `cacheMs`; the token itself is never kept, only its hash.
import { createHash } from 'node:crypto';
import { isSignalboxError, SignalboxError } from '../../../api/errors.ts';
import type { Kube, KubeObject } from '../../../ports/kube.ts';
import { SELF_SUBJECT_ACCESS_REVIEW, SELF_SUBJECT_REVIEW, SIGNALBOX_GROUP } from '../../../ports/resources.ts';

export type Verb = 'create' | 'get' | 'list' | 'update';

export interface Callers {
  /** Resolves with the caller's user name; rejects with UNAUTHENTICATED, DENIED or KUBE_UNREACHABLE. */
  admit(token: string | undefined, namespace: string, verb: Verb): Promise<string>;
}

/** A connection that carries the caller's token. */
export interface CallerKube extends Pick<Kube, 'create'> {
  close(): Promise<void>;
}

const cacheMs = 10_000;
const cacheMax = 1_000;

interface AccessReview extends KubeObject {
  readonly status?: { readonly allowed?: boolean; readonly reason?: string };
}
interface SubjectReview extends KubeObject {
  readonly status?: { readonly userInfo?: { readonly username?: string } };
}

export function kubeCallers(connect: (token: string) => CallerKube, now: () => number): Callers {
  const admitted = new Map<string, { readonly user: string; readonly at: number }>();
  return {
    async admit(token, namespace, verb) {
      if (token === undefined || token === '') {
        throw new SignalboxError(
          'UNAUTHENTICATED',
          'no bearer token came with the request; send `Authorization: Bearer TOKEN`, for example of `kubectl create token NAME`',
        );
      }
      const key = `${createHash('sha256').update(token).digest('hex')}/${namespace}/${verb}`;
      const known = admitted.get(key);
      if (known !== undefined && now() - known.at < cacheMs) return known.user;
      const kube = connect(token);
      try {
        const user = await review(kube, namespace, verb);
        if (admitted.size >= cacheMax) admitted.clear();
        admitted.set(key, { user, at: now() });
        return user;
      } finally {
        await kube.close();
      }
    },
  };
}

async function review(kube: CallerKube, namespace: string, verb: Verb): Promise<string> {
  try {
    const access = await kube.create<AccessReview>(SELF_SUBJECT_ACCESS_REVIEW, {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      metadata: { name: '' },
      spec: { resourceAttributes: { group: SIGNALBOX_GROUP, resource: 'workflowruns', namespace, verb } },
    });
    const subject = await kube.create<SubjectReview>(SELF_SUBJECT_REVIEW, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'SelfSubjectReview',
      metadata: { name: '' },
    });
    const user = subject.status?.userInfo?.username;
    if (user === undefined || user === '')
      throw new SignalboxError('UNAUTHENTICATED', 'the API server does not know the caller');
    if (access.status?.allowed === true) return user;
    throw new SignalboxError(
      'DENIED',
      `${user} may not ${verb} workflowruns.${SIGNALBOX_GROUP} in namespace ${namespace}; a Role with this verb and a RoleBinding allow it`,
    );
  } catch (error) {
    if (!isSignalboxError(error, 'KUBE_FORBIDDEN')) throw error;
    throw new SignalboxError('UNAUTHENTICATED', 'the API server does not accept the bearer token; get a new one', {
      cause: error,
    });
  }
}
