import { Command } from 'commander';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';
import { runCancelVerb } from './run-cancel.ts';
import { runFreezeVerb, runReadOnlyVerb, runResumeVerb } from './run-pause.ts';
import { runSignalVerb } from './run-signal.ts';
import { runShowVerb } from './run-show.ts';
import { runStartVerb } from './run-start.ts';

export function runVerb(host: Host): Command {
  const command = new Command('run')
    .summary('start, show, cancel or freeze a run')
    .description(
      'Starts, shows, cancels, freezes and resumes one run, or makes it read-only. `signalbox runs` lists them, `signalbox trace` explains one.',
    )
    .addCommand(runStartVerb(host))
    .addCommand(runShowVerb(host))
    .addCommand(runCancelVerb(host))
    .addCommand(runSignalVerb(host))
    .addCommand(runFreezeVerb(host))
    .addCommand(runResumeVerb(host))
    .addCommand(runReadOnlyVerb(host));
  return withExamples(command, {
    line: 'signalbox run start billing -n clinic --input invoice.json --wait',
    says: 'start one and wait for its end',
  });
}
