import { Command } from 'commander';
import { openEngine } from '../engine/client.ts';
import { findRun } from '../engine/find-run.ts';
import type { Host } from '../host.ts';
import { type EngineOptions, withEngine, withExamples } from '../options.ts';
import { standing } from '../output/run.ts';

interface Options extends EngineOptions {
  readonly reason: string;
}

export function runCancelVerb(host: Host): Command {
  const command = new Command('cancel')
    .summary('cancel a run')
    .description(
      'Asks the engine to cancel a run. What was done stays done; nothing more is started. Cancelling a run that has ' +
        'ended changes nothing.',
    )
    .argument('<run>', 'id of the run, or name of its WorkflowRun')
    .requiredOption('--reason <text>', 'why; kept in the history');
  withEngine(command);
  withExamples(command, {
    line: 'signalbox run cancel 7dKq3vXW1pLm9RtYzB2cNf -n clinic --reason "entered twice"',
    says: 'stop a run',
  });
  return command.action((run: string, options: Options) => cancel(host, run, options));
}

async function cancel(host: Host, name: string, options: Options): Promise<void> {
  const engine = await openEngine(host, options);
  const run = await findRun(host, options, engine, name);
  if (run.status === 'Closed') {
    host.screen.print(`Run ${run.run} has ended already (${standing(run)}); nothing to cancel.`);
    return;
  }
  const after = await engine.cancel(run.run, options.reason);
  const ended = after?.status === 'Closed';
  host.screen.print(ended ? `Run ${run.run} is cancelled.` : `Run ${run.run} is asked to stop.`);
  host.screen.note(`next: signalbox run show ${run.run}${engine.again}`);
}
