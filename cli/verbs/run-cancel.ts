import { Command } from 'commander';
import { openEngine } from '../engine/client.ts';
import { findRun } from '../engine/find-run.ts';
import type { Host } from '../host.ts';
import { type EngineOptions, type ReasonOptions, withEngine, withExamples, withReason } from '../options.ts';
import { printAnswer } from '../output/answer.ts';
import { standing } from '../output/run.ts';

type Options = EngineOptions & ReasonOptions;

export function runCancelVerb(host: Host): Command {
  const command = new Command('cancel')
    .summary('cancel a run')
    .description(
      'Asks the engine to cancel a run. What was done stays done; nothing more is started. Cancelling a run that has ' +
        'ended changes nothing.',
    )
    .argument('<run>', 'id of the run, or name of its WorkflowRun');
  withEngine(withReason(command, 'kept in the history'));
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
    const sentence = `Run ${run.run} has ended already (${standing(run)}); nothing to cancel.`;
    return printAnswer(host.screen, { value: run, name: run.run, sentence }, options.output);
  }
  const after = await engine.cancel(run.run, options.reason);
  const sentence = after.status === 'Closed' ? `Run ${run.run} is cancelled.` : `Run ${run.run} is asked to stop.`;
  const next = `signalbox run show ${run.run}${engine.again}`;
  await printAnswer(host.screen, { value: after, name: run.run, sentence, next }, options.output);
}
