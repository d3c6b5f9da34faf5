import { Command } from 'commander';
import { openEngine } from '../engine/client.ts';
import { findRun } from '../engine/find-run.ts';
import type { Host } from '../host.ts';
import { type EngineOptions, type OutputOptions, withEngine, withExamples, withOutput } from '../options.ts';
import { answerFormats, printAnswer } from '../output/answer.ts';
import { readInput } from './run-start.ts';

interface Options extends EngineOptions, OutputOptions {
  readonly data: string;
  readonly id?: string;
}

const says = {
  taken: 'the run waited for it and goes on',
  kept: 'no state waits for it now; it is kept until one does',
  known: 'it came before; nothing happened',
} as const;

export function runSignalVerb(host: Host): Command {
  const command = new Command('signal')
    .summary('send a signal to a run')
    .description(
      'Sends a signal that a state of type wait waits for (for.signal), or will wait for. With --id the same signal ' +
        'may be sent again: it counts once.',
    )
    .argument('<run>', 'id of the run, or name of its WorkflowRun')
    .argument('<signal>', 'name of the signal')
    .option('--data <data>', 'a JSON or YAML file, - for standard input, or JSON itself', '{}')
    .option('--id <id>', 'recognised when it is sent again; default: the time');
  withEngine(withOutput(command, answerFormats));
  withExamples(command, {
    line: `signalbox run signal 7dKq3vXW1pLm9RtYzB2cNf paid -n clinic --data '{"amount": 120}' --id payment-77`,
    says: 'tell a run that it was paid, once',
  });
  return command.action(async (name: string, signal: string, options: Options) => {
    const data = await readInput(host, options.data);
    const engine = await openEngine(host, options);
    const run = await findRun(host, options, engine, name);
    const id = options.id ?? `cli/${host.clock.now()}`;
    const result = await engine.signal(run.run, signal, { id, data });
    const sentence = `Signal ${signal} (${id}): ${says[result.outcome]}.`;
    const value = { run: run.run, signal, id, ...result };
    const next = `signalbox trace ${run.run}${engine.again}`;
    await printAnswer(host.screen, { value, name: run.run, sentence, next }, options.output);
  });
}
