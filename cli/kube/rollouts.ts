// Owns: reading BundleRollouts with the caller's own rights, finding the one that a person means, and telling it what to do.
import { randomBytes } from 'node:crypto';
import { isSignalboxError } from '../../api/errors.ts';
import type {
  RolloutCommandSpec,
  RolloutCommandStatus,
  RolloutPhase,
  RolloutSpec,
  RolloutStatus,
} from '../../api/v1alpha1/rollout.ts';
import type { Kube, KubeObject } from '../../ports/kube.ts';
import { apiVersionOf, BUNDLE_ROLLOUT, ROLLOUT_COMMAND } from '../../ports/resources.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { oneLine } from '../output/style.ts';
import { whoAmI } from './identity.ts';
import type { Session } from './session.ts';

export interface RolloutObject extends KubeObject {
  readonly spec: RolloutSpec;
  readonly status?: RolloutStatus;
}

interface CommandObject extends KubeObject {
  readonly spec: RolloutCommandSpec;
  readonly status?: RolloutCommandStatus;
}

export const phaseOf = ({ status }: RolloutObject): RolloutPhase => status?.phase ?? 'Pending';

/** The newest first. */
export const inOrder = (items: readonly RolloutObject[]): readonly RolloutObject[] =>
  items.toSorted(
    (left, right) => right.spec.ordinal - left.spec.ordinal || (left.metadata.name < right.metadata.name ? -1 : 1),
  );

export async function rolloutsIn(kube: Kube, namespace: string): Promise<readonly RolloutObject[]> {
  return inOrder((await kube.list<RolloutObject>(BUNDLE_ROLLOUT, { namespace })).items);
}

/** By its own name, or the newest of an Agent. */
export async function findRollout(kube: Kube, namespace: string, name: string): Promise<RolloutObject> {
  const bare = name.replace(/^bundlerollouts?(\.signalbox\.dev)?\//, '');
  const all = await rolloutsIn(kube, namespace);
  const found = all.find(({ metadata }) => metadata.name === bare) ?? all.find(({ spec }) => spec.agent === bare);
  if (found !== undefined) return found;
  throw new VerbError('NOT_FOUND', `no rollout, and no agent with one, is called "${bare}" in namespace ${namespace}`, {
    attempt: `signalbox rollout list -n ${namespace}`,
  });
}

const LOOK_MS = 250;

/** Creates the RolloutCommand and waits for its answer. */
export async function tellRollout(
  host: Host,
  { kube, namespace, again }: Session,
  given: {
    readonly rollout: RolloutObject;
    readonly spec: Pick<RolloutCommandSpec, 'verb' | 'reason' | 'scope' | 'stage'>;
    readonly timeoutMs: number;
  },
): Promise<KubeObject & { readonly status: RolloutCommandStatus }> {
  const { rollout, spec, timeoutMs } = given;
  const { name, uid = '' } = rollout.metadata;
  const object = {
    apiVersion: apiVersionOf(ROLLOUT_COMMAND),
    kind: ROLLOUT_COMMAND.kind,
    metadata: {
      namespace,
      name: `${name.slice(0, 45).replace(/-+$/, '')}-${spec.verb}-${randomBytes(3).toString('hex')}`,
    },
    spec: { rolloutRef: { name, uid }, ...spec, commandedBy: await whoAmI(kube) },
  };
  const made = await create(kube, object, spec.verb);
  const key = { namespace, name: made.metadata.name };
  for (const until = host.clock.now() + timeoutMs; host.clock.now() < until;) {
    const now = await kube.get<CommandObject>(ROLLOUT_COMMAND, key);
    if (now?.status?.state === 'Done') return { ...now, status: now.status };
    if (now?.status?.state === 'Refused') {
      throw new VerbError(
        'DENIED',
        `${spec.verb} was refused: ${oneLine(now.status.message ?? 'no reason was given')}`,
        {
          attempt: `signalbox rollout explain ${name}${again}`,
        },
      );
    }
    await host.clock.sleep(LOOK_MS, host.interrupted);
  }
  throw new VerbError('TIMEOUT', `command ${key.name} is made, but nobody has answered it yet`, {
    attempt: `kubectl get rolloutcommand ${key.name} -n ${namespace} -w, or signalbox status`,
  });
}

async function create(kube: Kube, object: CommandObject, verb: string): Promise<CommandObject> {
  try {
    return await kube.create<CommandObject>(ROLLOUT_COMMAND, object);
  } catch (error) {
    if (!isSignalboxError(error, 'KUBE_FORBIDDEN') && !isSignalboxError(error, 'KUBE_INVALID')) throw error;
    const said = error.message.replace(/^.*?denied request: |^.*? is forbidden: /, '');
    throw new VerbError('DENIED', `${verb} was refused: ${said}`, {
      attempt: `kubectl auth can-i create rolloutcommands.signalbox.dev -n ${object.metadata.namespace}`,
    });
  }
}
