import { randomBytes } from 'node:crypto';
import { Command } from 'commander';
import { type Acceptance, readKept, witnessMapKeys, witnessMapName } from '../../core/journal/witness-map.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { CONFIG_MAP } from '../../ports/resources.ts';
import { systemNamespace } from '../engine/address.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { whoAmI } from '../kube/identity.ts';
import { withSession } from '../kube/session.ts';
import {
  type ClusterOptions,
  countArgument,
  type ReasonOptions,
  withCluster,
  withExamples,
  withReason,
} from '../options.ts';
import { printAnswer } from '../output/answer.ts';

type Options = ClusterOptions & ReasonOptions;

interface WitnessMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export function journalVerb(host: Host): Command {
  const group = new Command('journal')
    .summary('accept that a journal lost facts')
    .description('What to do when the store of nats-server is an older copy and no newer one can be found.')
    .addCommand(acceptLossVerb(host));
  return withExamples(group, {
    line: 'signalbox journal accept-loss 3 --reason "no newer copy"',
    says: 'serve the partition again, without what it lost',
  });
}

function acceptLossVerb(host: Host): Command {
  const command = new Command('accept-loss')
    .summary('serve a partition without what it lost')
    .description(
      'Accepts, for good, the loss that stopped a partition with JOURNAL_ROLLED_BACK. What was acknowledged in it is gone: ' +
        'runs may be unknown, or go on from an earlier step. Needs the right to change the ConfigMap ' +
        `${witnessMapName} in the namespace of the operator (-n; default ${systemNamespace}). Your name and the reason are ` +
        'kept there, in the log and in an event. Accepts only the loss that is shown: another one is another question.',
    )
    .argument('<partition>', 'number of the partition', countArgument);
  withCluster(withReason(command, 'kept with the acceptance'));
  withExamples(command, {
    line: 'signalbox journal accept-loss 3 --reason "the old volume is gone, compared with the bank"',
    says: 'serve partition 3 again',
  });
  return command.action((partition: number, options: Options) => acceptLoss(host, partition, options));
}

async function acceptLoss(host: Host, partition: number, options: Options): Promise<void> {
  const there = { ...options, namespace: options.namespace ?? systemNamespace };
  await withSession(host, there, async ({ kube, namespace }) => {
    const key = { namespace, name: witnessMapName };
    const map = await kube.get<WitnessMap>(CONFIG_MAP, key);
    const { lost } = readKept(map?.data ?? {}, partition);
    if (map === undefined || lost === undefined) {
      throw new VerbError('NOT_FOUND', `no loss was found in partition ${partition} that could be accepted`, {
        attempt: `kubectl get configmap ${witnessMapName} -n ${namespace} -o yaml`,
      });
    }
    const by = await whoAmI(kube);
    const accepted: Acceptance = {
      ...lost,
      id: randomBytes(8).toString('hex'),
      reason: options.reason.trim().slice(0, 500),
      by,
    };
    // With the version that was read: what has changed meanwhile is not accepted.
    await kube.mergePatch(CONFIG_MAP, key, {
      metadata: { resourceVersion: map.metadata.resourceVersion },
      data: { [witnessMapKeys(partition).accepted]: JSON.stringify(accepted) },
    });
    const { ends, committed } = lost;
    const sentence = `Accepted by ${by}: partition ${partition} goes on after record ${ends}, though record ${committed} was committed.`;
    const next = `kubectl get events -n ${namespace} --field-selector reason=JournalLossAccepted`;
    await printAnswer(
      host.screen,
      { value: { partition, ...accepted }, name: String(partition), sentence, next },
      options.output,
    );
  });
}
