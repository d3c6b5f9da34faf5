// Owns: who the caller is, in the words of the API server.
import type { Kube } from '../../ports/kube.ts';
import { apiVersionOf, SELF_SUBJECT_REVIEW } from '../../ports/resources.ts';
import { VerbError } from '../failure.ts';

export async function whoAmI(kube: Kube): Promise<string> {
  const review = await kube.post<{ status?: { userInfo?: { username?: string } } }>(
    SELF_SUBJECT_REVIEW,
    undefined,
    '',
    { apiVersion: apiVersionOf(SELF_SUBJECT_REVIEW), kind: SELF_SUBJECT_REVIEW.kind },
  );
  const name = review.status?.userInfo?.username;
  if (name === undefined || name === '') {
    throw new VerbError('UNAUTHENTICATED', 'the API server does not say who you are');
  }
  return name;
}
