// Owns: what people do with kubectl at a plane under test: they apply objects and look at what is told of them.
import { apiVersion } from '../../api/schema.ts';
import type { KubeObject } from '../../ports/kube.ts';
import type { TestPlane } from './plane.ts';

type Plane = Pick<TestPlane, 'kubectl'>;

export interface Told extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>> & {
    readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
  };
}

/** `what`: such as `workflow calls`. */
export async function get<T extends KubeObject = Told>(
  { kubectl }: Plane,
  namespace: string,
  what: string,
): Promise<T | undefined> {
  const text = await kubectl(['-n', namespace, 'get', ...what.split(' '), '--ignore-not-found', '-o', 'json']);
  return text === '' ? undefined : (JSON.parse(text) as T);
}

export const condition = (one: Told | undefined, type = 'Ready') =>
  one?.status?.conditions?.find((each) => each.type === type);

export const readyReason = (one: Told | undefined): string | undefined => condition(one)?.reason;

export const objectIn = (namespace: string) => (kind: string, name: string, spec: object) => ({
  apiVersion,
  kind,
  metadata: { name, namespace },
  spec,
});

/** `as`: who does it; without, whoever the kubeconfig is for. */
export const apply = ({ kubectl }: Plane, objects: readonly object[], as?: string): Promise<string> =>
  kubectl(
    [...(as === undefined ? [] : ['--as', as]), 'apply', '-f', '-'],
    objects.map((one) => JSON.stringify(one)).join('\n---\n'),
  );

/** Who may do everything, in their own names. */
export async function admit({ kubectl }: Plane, ...people: readonly string[]): Promise<void> {
  const users = people.map((name) => `--user=${name}`);
  await kubectl(['create', 'clusterrolebinding', 'people', '--clusterrole=cluster-admin', ...users]);
}
