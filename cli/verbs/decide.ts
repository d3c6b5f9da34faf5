import { randomBytes } from 'node:crypto';
import { Argument, Command } from 'commander';
import { isSignalboxError } from '../../api/errors.ts';
import { type DecisionSpec, type DecisionStatus } from '../../api/v1alpha1/escalation.ts';
import type { Kube, KubeObject } from '../../ports/kube.ts';
import { apiVersionOf, DECISION, ESCALATION } from '../../ports/resources.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { type EscalationObject, findEscalation, queueOf, stateOf } from '../kube/escalations.ts';
import { whoAmI } from '../kube/identity.ts';
import { type Session, withSession } from '../kube/session.ts';
import { type ClusterOptions, type ReasonOptions, withCluster, withExamples, withReason } from '../options.ts';
import { printAnswer } from '../output/answer.ts';
import type { Format } from '../output/document.ts';
import { escalationText } from '../output/escalation.ts';
import { oneLine } from '../output/style.ts';
import { wrap } from '../output/width.ts';

type Option = DecisionSpec['option'];

type Options = ClusterOptions & ReasonOptions;

interface DecisionObject extends KubeObject {
  readonly spec: DecisionSpec;
  readonly status?: DecisionStatus;
}

const LOOK_MS = 250;

export function decideVerb(host: Host): Command {
  const command = new Command('decide')
    .summary('answer an escalation')
    .description(
      'Answers an escalation with your own Kubernetes credentials. What is shown first is what the answer binds to: if ' +
        'anything else were to be done, it would be refused. Who started the run may not decide. Ends with 4 when refused.',
    )
    .argument('<escalation>', 'name of the Escalation, or id of the run that waits for it')
    .addArgument(new Argument('<answer>', 'the answer').choices(['approve', 'reject']));
  withCluster(withReason(command, 'kept in the history'));
  withExamples(
    command,
    {
      line: 'signalbox decide 7dkq3vxw1plm9rtyzb2cnf-1 approve -n clinic --reason "amount checked with the payer"',
      says: 'let it be done',
    },
    {
      line: 'signalbox decide 7dkq3vxw1plm9rtyzb2cnf-1 reject -n clinic --reason "wrong patient"',
      says: 'stop it',
    },
  );
  return command.action((name: string, option: Option, options: Options) => decide(host, { name, option }, options));
}

async function decide(
  host: Host,
  asked: { readonly name: string; readonly option: Option },
  options: Options,
): Promise<void> {
  await withSession(host, options, async (session) => {
    const { kube, namespace } = session;
    const escalation = await findEscalation(kube, namespace, asked.name);
    if (options.output === 'table') host.screen.print(`${escalationText(escalation, host.clock.now(), host.screen)}\n`);
    mustBeOpen(escalation, session.again);
    const decision = await answer(session, escalation, { option: asked.option, reason: options.reason });
    const status = await verdict(host, kube, decision, options.requestTimeout);
    await tell(host, session, { escalation, decision, status, output: options.output });
  });
}

function mustBeOpen(escalation: EscalationObject, again: string): void {
  const state = stateOf(escalation);
  if (state === 'Open') return;
  const { status, spec } = escalation;
  const by = status?.decidedBy === undefined ? '' : `: ${status.option} by ${status.decidedBy}`;
  throw new VerbError('DENIED', `escalation ${escalation.metadata.name} is ${state.toLowerCase()} already${by}`, {
    attempt: `signalbox trace ${spec.run}${again}`,
  });
}

/** Creates the Decision: its author and digest are what admission compares. */
async function answer(
  { kube, namespace }: Session,
  escalation: EscalationObject,
  given: { readonly option: Option; readonly reason: string },
): Promise<DecisionObject> {
  const name = escalation.metadata.name;
  const object = {
    apiVersion: apiVersionOf(DECISION),
    kind: DECISION.kind,
    // A refused answer must not stand in the way of the next one: each has a name of its own.
    metadata: { namespace, name: `${name.slice(0, 54).replace(/-+$/, '')}-${randomBytes(4).toString('hex')}` },
    spec: {
      escalationRef: { name },
      queue: queueOf(escalation),
      option: given.option,
      reason: given.reason,
      digest: escalation.spec.digest,
      decidedBy: await whoAmI(kube),
    },
  };
  try {
    return await kube.create<DecisionObject>(DECISION, object);
  } catch (error) {
    if (!isSignalboxError(error, 'KUBE_FORBIDDEN') && !isSignalboxError(error, 'KUBE_INVALID')) throw error;
    throw new VerbError('DENIED', `the answer was refused: ${serverWords(error.message)}`, {
      attempt: `kubectl auth can-i create decisions.signalbox.dev -n ${namespace}; who started the run may not decide`,
    });
  }
}

const serverWords = (message: string): string =>
  message.replace(/^[A-Z]+ \S+( \S+)?: /, '').replace(/^.*?denied the request: |^.*? is forbidden: /, '');

/** Waits until Signalbox has said Accepted or Refused; undefined when it has not in time. */
async function verdict(
  host: Host,
  kube: Kube,
  decision: DecisionObject,
  timeoutMs: number,
): Promise<DecisionStatus | undefined> {
  const { namespace, name } = decision.metadata;
  const key = { name, ...(namespace === undefined ? {} : { namespace }) };
  for (const until = host.clock.now() + timeoutMs; host.clock.now() < until;) {
    const now = await kube.get<DecisionObject>(DECISION, key);
    if (now?.status?.state !== undefined) return now.status;
    await host.clock.sleep(LOOK_MS, host.interrupted);
  }
  return undefined;
}

interface Told {
  readonly escalation: EscalationObject;
  readonly decision: DecisionObject;
  readonly status: DecisionStatus | undefined;
  readonly output: Format;
}

async function tell(host: Host, session: Session, told: Told): Promise<void> {
  const { screen } = host;
  const { escalation, decision, status } = told;
  const { run } = escalation.spec;
  if (status?.state === 'Refused') {
    const { name } = escalation.metadata;
    const own = decision.spec.decidedBy === escalation.spec.requestedBy;
    throw new VerbError('DENIED', `the answer was refused: ${oneLine(status.message ?? '') || 'no reason was given'}`, {
      attempt: own
        ? `signalbox decide ${name} ${decision.spec.option}${session.again} --token TOKEN, as somebody else: kubectl create token NAME`
        : `signalbox escalation show ${name}${session.again}`,
    });
  }
  if (status === undefined) {
    throw new VerbError('TIMEOUT', `decision ${decision.metadata.name} is made, but nobody has taken it yet`, {
      attempt: `kubectl get decision ${decision.metadata.name} -n ${session.namespace} -w, or signalbox status`,
    });
  }
  if (told.output !== 'table') {
    const { name } = decision.metadata;
    return printAnswer(screen, { value: { ...decision, status }, name, sentence: '' }, told.output);
  }
  const done = decision.spec.option === 'approve' ? 'Approved' : 'Rejected';
  screen.print(`${screen.paint('green', done)} by ${decision.spec.decidedBy}.`);
  screen.print(wrap(await whatNext(session, escalation, decision.spec.option), screen.columns).join('\n'));
  screen.note(`next: signalbox trace ${run}${session.again} --watch`);
}

async function whatNext({ kube, namespace }: Session, escalation: EscalationObject, option: Option): Promise<string> {
  const { run, proposal } = escalation.spec;
  if (option === 'reject') return `Nothing is done; run ${run} takes its exit for a rejection.`;
  const what = proposal === undefined ? 'goes on' : `goes on and does exactly what was shown (${proposal.tool}), once`;
  const { items } = await kube.list<EscalationObject>(ESCALATION, { namespace });
  const others = items.filter(
    (item) => item.spec.run === run && stateOf(item) === 'Open' && item.metadata.name !== escalation.metadata.name,
  );
  const more = others.length === 0 ? '' : ` It still waits for ${others.map((item) => item.metadata.name).join(', ')}.`;
  return `Run ${run} ${what}.${more}`;
}
