// Owns: an agent with all that belongs to it, as somebody applies it, and the moment when the operator has taken it on.
import type { KubeObject } from '../../ports/kube.ts';
import { objectIn, readyReason } from './kubectl.ts';
import { agent, bundle, model, policy, tool, workflow } from './objects.ts';
import type { OperatorStage } from './operator-stage.ts';
import { until } from './until.ts';

export type Applied = ReturnType<ReturnType<typeof objectIn>>;

/** What somebody would apply: the objects without what a server adds. */
export const applied = (
  namespace: string,
  objects: readonly (KubeObject & { readonly spec: object })[],
): readonly Applied[] => objects.map(({ kind, metadata: { name }, spec }) => objectIn(namespace)(kind, name, spec));

export const manifest = (
  namespace: string,
  { tool: description = 'Finds a patient.', model: text = 'Hello.' } = {},
): readonly Applied[] =>
  applied(namespace, [
    tool('find-patient', { spec: { description, credential: { secretRef: { name: 'clinic', key: 'token' } } } }),
    model('small', { spec: { scripted: { replies: [{ text }] } } }),
    bundle('receptionist-1'),
    policy('safety'),
    agent('receptionist', { spec: { escalationPolicyRef: { name: 'safety' } } }),
    workflow('calls', { spec: { escalationPolicyRef: { name: 'safety' } } }),
  ]);

/** Ready when all its children are there: pods never start here. */
export async function settled({ get, catalog }: OperatorStage, namespace: string): Promise<string> {
  const found = await until(`agent of ${namespace} is taken on`, async () => {
    const agent = await get(namespace, 'agent receptionist');
    const digest = agent?.status?.['bundleDigest'] as string | undefined;
    if (digest === undefined || readyReason(agent) !== 'Progressing') return undefined;
    return (await get(namespace, `deployment receptionist-${digest.slice(7, 19)}`)) && digest;
  });
  await until(`workflow of ${namespace}`, async () => await catalog.get(`workflow.${namespace}.calls`));
  return found;
}

/** What the operator has written into the catalog so far. */
export const lastSequence = async ({ control }: OperatorStage): Promise<number> =>
  (await control.manager.streams.info('KV_catalog')).state.last_seq;
