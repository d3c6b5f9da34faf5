import { Command, Option } from 'commander';
import type { RolloutVerb } from '../../api/v1alpha1/rollout.ts';
import { scopeAt } from '../../core/rollout/stages.ts';
import type { Host } from '../host.ts';
import { findRollout, tellRollout } from '../kube/rollouts.ts';
import { withSession } from '../kube/session.ts';
import { type ClusterOptions, type ReasonOptions, withCluster, withExamples, withReason } from '../options.ts';
import { printAnswer } from '../output/answer.ts';

interface Options extends ClusterOptions, ReasonOptions {
  readonly scope?: string;
}

/** What each does, and an occasion for it. */
const told: Readonly<Record<RolloutVerb, readonly [summary: string, description: string, reason: string]>> = {
  approve: [
    'say yes, where a person is asked',
    'Needs the verb decide on the queue that the stage names; who made the Agent want the bundle may not.',
    'evidence looked at',
  ],
  reject: ['say no, where a person is asked', 'New keys go back to the bundle before.', 'too expensive'],
  promote: [
    'every new key gets it now, past doubt',
    'For people: without the evidence that automation needs. The kill switch still counts.',
    'urgent fix',
  ],
  skip: [
    'end the stage that it stands at',
    'Also ends waiting and baking. A stage that asks for positive evidence is not skipped.',
    'seen enough',
  ],
  extend: ['give the canary stage its time once more', 'From now on, with the evidence so far.', 'quiet week'],
  pause: ['stop all clocks', 'The weight stays; harm still takes it back.', 'incident elsewhere'],
  resume: ['go on after a pause', 'Clocks go on where they stood.', 'incident over'],
  hold: ['let nothing go up', 'The weight stays, clocks and evidence go on.', 'wait for monday'],
  unhold: ['go on after a hold', 'Not while there is evidence of harm.', 'monday'],
  abort: ['back to the bundle before', 'Weight 0 first, then what is under way.', 'callers complain'],
  retry: ['another attempt', 'Of a rollout that ended without success.', 'the network was down'],
  undo: [
    'back to the bundle before, after the promotion',
    'Of the newest rollout of the agent.',
    'worse than it looked',
  ],
  quarantine: ['never offer the bundle again', 'A rollout that is under way goes back.', 'leaks names'],
  release: ['take the quarantine back', 'Then retry makes another attempt.', 'false alarm'],
};

export const tellVerbs = (host: Host): readonly Command[] =>
  (Object.keys(told) as RolloutVerb[]).map((verb) => tellVerb(host, verb));

function tellVerb(host: Host, verb: RolloutVerb): Command {
  const [summary, description, reason] = told[verb];
  const command = new Command(verb)
    .summary(summary)
    .description(`${capital(summary)}. ${description} Ends with 4 when refused.`);
  command.argument('<rollout>', 'name of the BundleRollout, or of its Agent');
  if (verb === 'approve' || verb === 'reject') {
    command.addOption(
      new Option('--scope <queue>', 'the queue that you answer for; default: the one that the stage asks'),
    );
  }
  withCluster(withReason(command, 'kept with the rollout'));
  withExamples(command, {
    line: `signalbox rollout ${verb} receptionist -n clinic --reason "${reason}"`,
    says: summary,
  });
  return command.action((asked: string, options: Options) => tell(host, { asked, verb }, options));
}

const capital = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
/** About one stage: what was looked at is what is answered. */
const aboutStage: readonly RolloutVerb[] = ['approve', 'reject', 'skip', 'extend'];

async function tell(
  host: Host,
  { asked, verb }: { readonly asked: string; readonly verb: RolloutVerb },
  options: Options,
): Promise<void> {
  await withSession(host, options, async (session) => {
    const rollout = await findRollout(session.kube, session.namespace, asked);
    const stage = rollout.status?.stage ?? 0;
    const isAnswer = verb === 'approve' || verb === 'reject';
    const spec = {
      verb,
      reason: options.reason,
      ...(isAnswer ? { scope: options.scope ?? scopeAt(rollout.spec.release, stage) } : {}),
      ...(aboutStage.includes(verb) ? { stage } : {}),
    };
    const command = await tellRollout(host, session, { rollout, spec, timeoutMs: options.requestTimeout });
    const { name } = rollout.metadata;
    const next = `signalbox rollout get ${name}${session.again}`;
    const sentence = `Done: ${command.status.message ?? verb}`;
    await printAnswer(host.screen, { value: command, name: command.metadata.name, sentence, next }, options.output);
  });
}
