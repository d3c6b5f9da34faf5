// Owns: what people do to a control plane while its operator dies: an agent comes and goes, a run asks a person, a run is
// deleted. Each says what is wrong at its end, in words; empty when all is well. Rollbacks and deletions are judged by the
// checkers of I8 and I12.
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { RolloutStatus, RolloutVerb } from '../../api/v1alpha1/rollout.ts';
import type { Fact } from '../../core/invariants/facts.ts';
import { checkInvariants } from '../../core/invariants/watch.ts';
import { objectIn, readyReason, type Told } from '../support/kubectl.ts';
import { agent, bundle, model, policy, tool, workflow } from '../support/objects.ts';
import type { PlaneStage } from './plane-stage.ts';
import { faultsIn } from './verdict.ts';

export type PlaneScenario = (stage: PlaneStage, namespace: string) => Promise<readonly string[]>;

interface Spec {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: object;
}

const inNamespace = (namespace: string, { kind, metadata: { name }, spec }: Spec): object =>
  objectIn(namespace)(kind, name, spec);
const stateOf = (one: Told | undefined): unknown => one?.status?.['state'];

/** An agent with all that belongs to it is declared, taken on, and deleted: nothing is left. */
const agentComesAndGoes: PlaneScenario = async (stage, namespace) => {
  const objects = [...theAgent(namespace), inNamespace(namespace, workflow('calls', safely))];
  await createNamespace(stage, namespace);
  await stage.apply(objects);
  await takenOn(stage, namespace);
  await stage.wait('the workflow is published', () => stage.catalog.get(`workflow.${namespace}.calls`));
  await stage.wait('the gateway is declared', () => stage.get(namespace, 'deployment signalbox-gateway'));
  // A server that is away while it is looked at is asked again.
  const { digest, wrong } = await stage.wait('all of it is looked at', () => everythingOf(stage, namespace));
  await stage.remove(objects.toReversed());
  return [...wrong, ...(await leftovers(stage, namespace, [digest]))];
};

/** An agent gets another bundle and is sent back to the one before; then it is deleted with all that belonged to either. */
const agentGoesBack: PlaneScenario = async (stage, namespace) => {
  const next = inNamespace(
    namespace,
    bundle('receptionist-2', { spec: { prompts: { executor: { text: 'Better.' } } } }),
  );
  const objects = [...theAgent(namespace), next];
  await createNamespace(stage, namespace);
  await stage.apply(objects);
  const good = await takenOn(stage, namespace);
  await stage.apply([theReceptionist(namespace, 'receptionist-2')]);
  const bad = await takenOn(stage, namespace, (digest) => digest !== good);
  const back = (digest: string, done: boolean): Fact => {
    return { kind: 'RolledBack', at: Date.now(), namespace, agent: 'receptionist', digest, done };
  };
  const facts = [back(good, false)];
  await stage.apply([theReceptionist(namespace, 'receptionist-1')]);
  facts.push(back(await takenOn(stage, namespace, (digest) => digest !== bad), true));
  const entry = await stage.wait('who is told of it is told', async () => {
    const found = (await stage.catalog.get(`agent.${namespace}.receptionist`))?.value as AgentSnapshot | undefined;
    return found?.bundleDigest === bad ? undefined : found;
  });
  facts.push(back(entry.bundleDigest, true));
  await stage.remove(objects.toReversed());
  return [...broken(facts), ...(await leftovers(stage, namespace, [good, bad]))];
};

const way = ['Validating', 'Provisioning', 'Progressing', 'Promoting', 'Completed', 'RollingBack', 'RolledBack'];

/** A bundle is offered to half of new keys, promoted by a person and taken back by another: each is done once, in this order. */
const bundleIsReleased: PlaneScenario = async (stage, namespace) => {
  const prompts = { executor: { text: 'Better.' } };
  const objects = [...theAgent(namespace), inNamespace(namespace, bundle('receptionist-2', { spec: { prompts } }))];
  await createNamespace(stage, namespace);
  await stage.apply(objects);
  const good = await takenOn(stage, namespace);
  const release = { stages: [{ canary: { weight: 50, until: { maxDuration: '1h' } } }] };
  await stage.apply([theReceptionist(namespace, 'receptionist-2', { release })]);
  const rollout = async (phase: string): Promise<Told> =>
    stage.wait(`the rollout is ${phase}`, async () => {
      const [name] = (await stage.names(namespace, 'bundlerollouts')).filter((one) => one !== '');
      const found = name === undefined ? undefined : await stage.get(namespace, name.replace('/', ' '));
      return found?.status?.['phase'] === phase ? found : undefined;
    });
  const tell = async (found: Told, verb: RolloutVerb): Promise<void> => {
    const rolloutRef = { name: found.metadata.name, uid: found.metadata.uid };
    const spec = { rolloutRef, verb, reason: 'as agreed', commandedBy: 'bob' };
    await stage.apply([objectIn(namespace)('RolloutCommand', verb, spec)], 'bob');
    await told(stage, namespace, `rolloutcommand ${verb}`, 'Done');
  };
  await tell(await rollout('Progressing'), 'promote');
  await tell(await rollout('Completed'), 'undo');
  const { decisions = [] } = (await rollout('RolledBack')).status as RolloutStatus;
  const went = decisions.map(({ to }) => to).filter((to) => to !== 'Held');
  const entry = await stage.wait('who is told of it is told', async () => {
    const found = (await stage.catalog.get(`agent.${namespace}.receptionist`))?.value as AgentSnapshot | undefined;
    return found?.rollout === undefined ? found : undefined;
  });
  await stage.remove(objects.toReversed());
  return [
    ...(went.join() === way.join() ? [] : [`the rollout went ${went.join(', ')}, not ${way.join(', ')}`]),
    ...(entry.bundleDigest === good ? [] : [`new keys get ${entry.bundleDigest}, not what was stable before`]),
    ...(await leftovers(stage, namespace, [good])),
  ];
};

const safely = { spec: { escalationPolicyRef: { name: 'safety' } } };

function theReceptionist(namespace: string, bundleName: string, more: Partial<AgentSpec> = {}): object {
  const spec = { ...safely.spec, scaling: { replicas: 0 }, bundleRef: { name: bundleName }, ...more };
  return inNamespace(namespace, agent('receptionist', { spec }));
}

const theAgent = (namespace: string): readonly object[] => [
  ...[
    tool('find-patient'),
    model('small', { spec: { scripted: { replies: [{ text: namespace }] } } }),
    bundle('receptionist-1'),
    policy('safety'),
  ].map((one) => inNamespace(namespace, one)),
  theReceptionist(namespace, 'receptionist-1'),
];

/** The digest of the bundle that the agent has. */
async function takenOn(
  stage: PlaneStage,
  namespace: string,
  isWanted: (digest: string) => boolean = () => true,
): Promise<string> {
  return stage.wait('the agent is taken on', async () => {
    const found = await stage.get(namespace, 'agent receptionist');
    const digest = String(found?.status?.['bundleDigest']);
    return readyReason(found) === 'ScaledToZero' && isWanted(digest) ? digest : undefined;
  });
}

/** When everything has had its time. */
const broken = (facts: readonly Fact[]): readonly string[] =>
  checkInvariants(facts, {}, true).map(({ invariant, sentence }) => `${invariant}: ${sentence}`);

async function everythingOf(stage: PlaneStage, namespace: string) {
  const found = await stage.get(namespace, 'agent receptionist');
  const digest = String(found?.status?.['bundleDigest']);
  const short = digest.slice(7, 19);
  const consumers = (await stage.admin.taskConsumers()).map(({ name }) => name);
  const missing = [
    ...((await stage.get(namespace, `deployment receptionist-${short}`)) === undefined ? ['its Deployment'] : []),
    ...((await stage.get(namespace, 'configmap bundle-receptionist-1')) === undefined ? ['its ConfigMap'] : []),
    ...((await stage.get(namespace, 'serviceaccount signalbox-agent-receptionist')) === undefined
      ? ['its ServiceAccount']
      : []),
    ...(consumers.includes(`${namespace}_receptionist_${short}`) ? [] : ['its consumer']),
    ...((await stage.catalog.get(`bundle.${digest.slice(7)}`)) === undefined
      ? ['the catalog entry of its Bundle']
      : []),
    ...((await stage.catalog.get(`agent.${namespace}.receptionist`)) === undefined ? ['its catalog entry'] : []),
  ];
  return { digest, wrong: missing.map((what) => `the agent is ready, but ${what} is missing`) };
}

/** Delete leaves nothing: no object, no catalog entry, no consumer. */
async function leftovers(stage: PlaneStage, namespace: string, digests: readonly string[]): Promise<readonly string[]> {
  const kinds =
    'bundlerollouts,rolloutcommands,agents,bundles,tools,models,workflows,escalationpolicies,deployments,serviceaccounts,configmaps';
  const look = async (): Promise<readonly string[]> => {
    const objects = await stage.names(namespace, kinds);
    const entries = await stage.catalog.keys();
    const consumers = (await stage.admin.taskConsumers()).map(({ name }) => name);
    return [
      ...objects.filter((name) => name !== 'serviceaccount/default' && name !== 'configmap/kube-root-ca.crt'),
      ...entries.filter(
        (key) => key.includes(`.${namespace}.`) || digests.some((digest) => key.includes(digest.slice(7))),
      ),
      ...consumers.filter((name) => name.startsWith(`${namespace}_`)),
    ];
  };
  let left: readonly string[] = [];
  try {
    await stage.wait('nothing is left', async () => {
      left = await look();
      return left.length === 0 ? true : undefined;
    });
  } catch {
    // What is there at the end is said below.
  }
  return orphans(`Agent/${namespace}/receptionist`, left);
}

/** Whatever is in the namespace belongs to what was deleted there. */
function orphans(object: string, left: readonly string[]): readonly string[] {
  const at = Date.now();
  return broken([
    { kind: 'Deleted', at, object },
    { kind: 'Present', at, things: left.map((thing) => ({ thing, of: object })) },
  ]);
}

const asking = (namespace: string): readonly object[] =>
  [
    policy('safety'),
    workflow('ask', {
      spec: {
        escalationPolicyRef: { name: 'safety' },
        start: 'ask',
        states: {
          ask: {
            type: 'approval',
            queue: 'desk',
            question: 'May it?',
            timeout: '10m',
            exits: { rejected: 'failed', expired: 'failed' },
          },
          done: { type: 'terminal', outcome: 'success' },
          failed: { type: 'terminal', outcome: 'failed' },
        },
        transitions: [{ from: 'ask', to: 'done' }],
      },
    }),
  ].map((one) => inNamespace(namespace, one));

const runObject = (namespace: string, more: object = {}): object =>
  objectIn(namespace)('WorkflowRun', 'one', { workflowRef: { name: 'ask' }, ...more });

/** A run is applied and asks; returns when the question can be seen. */
async function asked(stage: PlaneStage, namespace: string) {
  await createNamespace(stage, namespace);
  await stage.apply(asking(namespace));
  await stage.apply([runObject(namespace)], 'ann');
  const run = await stage.wait('the run is started', async () => {
    const found = await stage.get(namespace, 'workflowrun one');
    return found?.status?.['escalation'] === undefined ? undefined : String(found.status['run']);
  });
  const escalation = `${run}-1`.toLowerCase();
  const open = await stage.wait('the question is open', async () => {
    const found = await stage.get(namespace, `escalation ${escalation}`);
    return stateOf(found) === 'Open' ? found : undefined;
  });
  return { run, escalation, digest: open.spec?.['digest'] };
}

/** Asked, answered by a person, closed; a second answer is refused; run and workflow are deleted. */
const personAnswers: PlaneScenario = async (stage, namespace) => {
  const { run, escalation, digest } = await asked(stage, namespace);
  const decision = (name: string, option: string, by: string): object => {
    const answer = { option, reason: 'seen', queue: 'desk', digest, decidedBy: by };
    return objectIn(namespace)('Decision', name, { escalationRef: { name: escalation }, ...answer });
  };
  await stage.apply([decision('yes', 'approve', 'bob')], 'bob');
  await stage.wait('the run object is closed', async () => {
    const found = await stage.get(namespace, 'workflowrun one');
    return found?.status?.['status'] === 'Closed' && !found.metadata.finalizers?.length ? found : undefined;
  });
  await told(stage, namespace, 'decision yes', 'Accepted');
  await told(stage, namespace, `escalation ${escalation}`, 'Decided');
  await stage.apply([decision('no', 'reject', 'eve')], 'eve');
  await told(stage, namespace, 'decision no', 'Refused');
  const events = await stage.history(run);
  await stage.remove([runObject(namespace), ...asking(namespace)]);
  const ending = { run, outcome: 'success', tools: [], questions: 1, decisions: 1 };
  return [
    ...faultsIn(events, ending),
    ...notOne(events, 'EscalationDecided'),
    ...(await runLeftovers(stage, namespace)),
  ];
};

/** The object of a waiting run is deleted: the run is cancelled first, and its question closed. */
const runIsDeleted: PlaneScenario = async (stage, namespace) => {
  const { run, escalation } = await asked(stage, namespace);
  await stage.remove([runObject(namespace)]);
  const events = await stage.history(run);
  await told(stage, namespace, `escalation ${escalation}`, 'Closed');
  await stage.remove(asking(namespace));
  const ending = { run, outcome: 'cancelled', tools: [], questions: 1, decisions: 0 };
  return [...faultsIn(events, ending), ...notOne(events, 'CancelRequested'), ...(await runLeftovers(stage, namespace))];
};

/** The object of a waiting run is suspended, taken up again and deleted: the run is frozen and resumed once each. */
const runIsSuspended: PlaneScenario = async (stage, namespace) => {
  const { run } = await asked(stage, namespace);
  for (const suspend of [true, false]) {
    await stage.apply([runObject(namespace, { suspend })], 'ann');
    await stage.wait(suspend ? 'the run is frozen' : 'the run is resumed', async () => {
      const status = (await stage.get(namespace, 'workflowrun one'))?.status?.['status'];
      return (status === 'Frozen') === suspend ? true : undefined;
    });
  }
  await stage.remove([runObject(namespace)]);
  const events = await stage.history(run);
  await stage.remove(asking(namespace));
  const ending = { run, outcome: 'cancelled', tools: [], questions: 1, decisions: 0 };
  return [
    ...faultsIn(events, ending),
    ...notOne(events, 'RunFrozen'),
    ...notOne(events, 'RunResumed'),
    ...(await runLeftovers(stage, namespace)),
  ];
};

async function told(stage: PlaneStage, namespace: string, what: string, state: string): Promise<void> {
  await stage.wait(`${what} is ${state}`, async () =>
    stateOf(await stage.get(namespace, what)) === state ? true : undefined,
  );
}

function notOne(events: readonly HistoryEvent[], type: HistoryEvent['type']): readonly string[] {
  const count = events.filter((event) => event.type === type).length;
  return count === 1 ? [] : [`${count} events ${type}, wanted is one`];
}

async function runLeftovers(stage: PlaneStage, namespace: string): Promise<readonly string[]> {
  const left = await stage.wait('what is left is looked at', async () => {
    const objects = await stage.names(namespace, 'workflowruns,workflows');
    const entry = await stage.catalog.get(`workflow.${namespace}.ask`);
    return [...objects, ...(entry === undefined ? [] : ['the catalog entry of the workflow'])];
  });
  return orphans(`Workflow/${namespace}/ask`, left);
}

async function createNamespace(stage: PlaneStage, name: string): Promise<void> {
  await stage.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }]);
}

export const planeScenarios = {
  agentComesAndGoes,
  agentGoesBack,
  bundleIsReleased,
  personAnswers,
  runIsDeleted,
  runIsSuspended,
} as const;
export type PlaneScenarioName = keyof typeof planeScenarios;
