// Owns: what a person does to a run as a whole: freeze, resume, read-only.
import { Command } from 'commander';
import type { RunSummary } from '../../api/messages/history.ts';
import { type EngineClient, openEngine } from '../engine/client.ts';
import { findRun } from '../engine/find-run.ts';
import type { Host } from '../host.ts';
import { type EngineOptions, type ReasonOptions, withEngine, withExamples, withReason } from '../options.ts';
import { printAnswer } from '../output/answer.ts';
import { standing } from '../output/run.ts';

interface Options extends EngineOptions, ReasonOptions {
  readonly off?: boolean;
}

const example = '7dKq3vXW1pLm9RtYzB2cNf';

function verb(
  host: Host,
  name: string,
  act: (engine: EngineClient, run: string, options: Options) => Promise<RunSummary>,
): Command {
  const command = new Command(name).argument('<run>', 'id of the run, or name of its WorkflowRun');
  withEngine(withReason(command, 'kept in the history'));
  return command.action(async (given: string, options: Options) => {
    const engine = await openEngine(host, options);
    const run = await findRun(host, options, engine, given);
    if (run.status === 'Closed') {
      const sentence = `Run ${run.run} has ended already (${standing(run)}).`;
      return printAnswer(host.screen, { value: run, name: run.run, sentence }, options.output);
    }
    const after = await act(engine, run.run, options);
    const sentence = `Run ${after.run}: ${words(after)}.`;
    const next = `signalbox run show ${after.run}${engine.again}`;
    return printAnswer(host.screen, { value: after, name: after.run, sentence, next }, options.output);
  });
}

function words({ frozen = [], readOnly, status, state }: RunSummary): string {
  const acts = readOnly === true ? ', read-only' : '';
  if (frozen.length > 0) return `frozen${acts} by ${frozen.map(({ by, reason }) => `${by} (${reason})`).join(' and ')}`;
  return `${status}${state === '' ? '' : ` in state ${state}`}${acts}`;
}

export function runFreezeVerb(host: Host): Command {
  const command = verb(host, 'freeze', (engine, run, { reason }) => engine.freezeRun(run, reason))
    .summary('stop a run where it is')
    .description(
      'Stops a run and its children where they are: workers are told to let go, the gateway refuses calls, no timer ' +
        'fires, no question is answered. The time it is frozen is added to every deadline, also that of the run.',
    );
  return withExamples(command, {
    line: `signalbox run freeze ${example} -n clinic --reason "look at the invoice first"`,
    says: 'nothing more happens until it is resumed',
  });
}

export function runResumeVerb(host: Host): Command {
  const command = verb(host, 'resume', (engine, run, { reason }) => engine.resumeRun(run, reason))
    .summary('let a frozen run go on')
    .description(
      'Lets a run go on that was frozen with `signalbox run freeze`. One that is frozen by spec.suspend of its ' +
        'WorkflowRun, or with its parent, goes on when that is lifted.',
    );
  return withExamples(command, {
    line: `signalbox run resume ${example} -n clinic --reason "the invoice is right"`,
    says: 'it goes on where it was',
  });
}

export function runReadOnlyVerb(host: Host): Command {
  const command = verb(host, 'readonly', (engine, run, { reason, off }) =>
    engine.setReadOnly(run, off !== true, reason),
  )
    .summary('deny a run every call with an effect')
    .description(
      'Denies every call of the run that has an effect, from the next one on; it may still read, decide and end.',
    )
    .option('--off', 'allow them again');
  return withExamples(
    command,
    { line: `signalbox run readonly ${example} -n clinic --reason "the bank is down"`, says: 'it may only read' },
    { line: `signalbox run readonly ${example} -n clinic --off --reason "the bank is back"`, says: 'it may act again' },
  );
}
