import { Command } from 'commander';
import type { Host } from '../host.ts';
import { findRollout, type RolloutObject, rolloutsIn } from '../kube/rollouts.ts';
import { withSession } from '../kube/session.ts';
import { type ClusterOptions, type OutputOptions, withCluster, withExamples, withOutput } from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import { printList } from '../output/listing.ts';
import { evidenceText, historyText, rolloutColumns, rolloutText } from '../output/rollout.ts';
import type { Screen } from '../output/screen.ts';
import { wrap } from '../output/width.ts';

type Options = ClusterOptions & OutputOptions;
const documents = ['table', 'json', 'yaml'] as const;

export function listVerb(host: Host): Command {
  const command = new Command('list')
    .summary('list rollouts')
    .description('Lists rollouts, the newest of each agent first.');
  withCluster(withOutput(command));
  withExamples(command, { line: 'signalbox rollout list -n clinic -o wide', says: 'with what each waits for' });
  return command.action((options: Options) =>
    withSession(host, options, async ({ kube, namespace }) => {
      const empty = `No rollouts in namespace ${namespace}.\nnext: change spec.bundleRef of an Agent that has spec.release`;
      const listed = { columns: rolloutColumns, name: ({ metadata }: RolloutObject) => metadata.name, empty };
      await printList(host.screen, await rolloutsIn(kube, namespace), listed, { format: options.output });
    }),
  );
}

interface Look {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly says: string;
  readonly text: (rollout: RolloutObject, screen: Screen) => string;
  readonly value: (rollout: RolloutObject) => unknown;
}

function lookVerb(host: Host, { name, summary, description, says, text, value }: Look): Command {
  const command = new Command(name).summary(summary).description(description);
  command.argument('<rollout>', 'name of the BundleRollout, or of its Agent');
  withCluster(withOutput(command, documents));
  withExamples(command, { line: `signalbox rollout ${name} receptionist -n clinic`, says });
  return command.action((asked: string, { output, ...options }: Options) =>
    withSession(host, options, async ({ kube, namespace }) => {
      const rollout = await findRollout(kube, namespace, asked);
      if (isDocument(output)) return host.screen.raw(await documentText(value(rollout), output));
      host.screen.print(text(rollout, host.screen));
    }),
  );
}

export const getVerb = (host: Host): Command =>
  lookVerb(host, {
    name: 'get',
    summary: 'show one rollout',
    description: 'Shows where a rollout stands, why, and what comes next.',
    says: 'the newest of an agent',
    text: rolloutText,
    value: (rollout) => rollout,
  });

export const explainRolloutVerb = (host: Host): Command =>
  lookVerb(host, {
    name: 'explain',
    summary: 'why it stands where it stands',
    description: 'Says in a sentence what is so, why, and what comes next or what somebody can do.',
    says: 'why does it not go on',
    text: ({ status }, { columns }) => wrap(status?.message ?? 'Nobody has looked at it yet.', columns).join('\n'),
    value: ({ status }) => ({ phase: status?.phase, reason: status?.reason, message: status?.message }),
  });

export const historyVerb = (host: Host): Command =>
  lookVerb(host, {
    name: 'history',
    summary: 'its transitions, with who and why',
    description: 'Shows the newest transitions, the newest last: from where to where, why, and by whom.',
    says: 'who did what',
    text: (rollout, { columns }) => historyText(rollout, columns),
    value: ({ status }) => ({ decisions: status?.decisions ?? [] }),
  });

export const evidenceVerb = (host: Host): Command =>
  lookVerb(host, {
    name: 'evidence',
    summary: 'what the verdict rests on',
    description: 'Shows each metric of both arms, stable before canary, with the evidence for harm and for none.',
    says: 'what is known so far',
    text: evidenceText,
    value: ({ status }) => ({
      verdict: status?.verdict,
      samples: status?.samples,
      metrics: status?.metrics ?? [],
      evidence: status?.evidence,
    }),
  });
