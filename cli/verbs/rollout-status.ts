import { Command, Option } from 'commander';
import type { RolloutPhase } from '../../api/v1alpha1/rollout.ts';
import { Ended, type ExitCode } from '../failure.ts';
import type { Host } from '../host.ts';
import { findRollout, phaseOf, type RolloutObject } from '../kube/rollouts.ts';
import { withSession } from '../kube/session.ts';
import {
  type ClusterOptions,
  type OutputOptions,
  positiveArgument,
  withCluster,
  withExamples,
  withOutput,
} from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import { rolloutText } from '../output/rollout.ts';

interface Options extends ClusterOptions, OutputOptions {
  readonly wait?: number;
}

const LOOK_MS = 1_000;
const healthy: readonly RolloutPhase[] = ['Completed'];
const failed: readonly RolloutPhase[] = [
  'RolledBack',
  'Rejected',
  'Aborting',
  'RollingBack',
  'Superseded',
  'Cancelled',
];
const asking: readonly RolloutPhase[] = ['AwaitingApproval', 'Held', 'Paused'];

export function rolloutStatusVerb(host: Host): Command {
  const command = new Command('status')
    .summary('wait for its end; the exit code says how it stands')
    .description(
      'Ends with 0 when the bundle is stable, 1 when it is not and will not be, 2 when it is still under way (after --wait, ' +
        'where given), 3 when it waits for a person.',
    )
    .argument('<rollout>', 'name of the BundleRollout, or of its Agent')
    .addOption(new Option('--wait <seconds>', 'wait at most so long for an end').argParser(positiveArgument));
  withCluster(withOutput(command, ['table', 'json', 'yaml']));
  withExamples(command, {
    line: 'signalbox rollout status receptionist -n clinic --wait 600',
    says: 'a gate in a pipeline',
  });
  return command.action((asked: string, options: Options) => status(host, asked, options));
}

async function status(host: Host, asked: string, options: Options): Promise<void> {
  await withSession(host, options, async ({ kube, namespace }) => {
    const until = host.clock.now() + (options.wait ?? 0) * 1_000;
    let rollout = await findRollout(kube, namespace, asked);
    const { name } = rollout.metadata;
    while (exitOf(rollout) === 2 && host.clock.now() < until && !host.interrupted.aborted) {
      await host.clock.sleep(LOOK_MS, host.interrupted);
      rollout = await findRollout(kube, namespace, name);
    }
    if (isDocument(options.output)) host.screen.raw(await documentText(rollout, options.output));
    else host.screen.print(rolloutText(rollout, host.screen));
    const exit = exitOf(rollout);
    if (exit !== 0) throw new Ended(exit);
  });
}

function exitOf(rollout: RolloutObject): ExitCode {
  const phase = phaseOf(rollout);
  if (healthy.includes(phase)) return 0;
  if (failed.includes(phase)) return 1;
  return asking.includes(phase) ? 3 : 2;
}
