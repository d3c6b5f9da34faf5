import { Command } from 'commander';
import type { Host } from '../host.ts';
import { withExamples, withInstance } from '../options.ts';

interface Options {
  readonly name?: string;
  readonly stateDir?: string;
  readonly keepData?: true;
}

export function downVerb(host: Host): Command {
  const command = withInstance(
    new Command('down')
      .summary('stop it and remove its state')
      .description(
        'Stops every process of the instance and removes its folder: nothing is left behind. With --keep-data the state ' +
          'stays and the next `signalbox up` goes on from it.',
      )
      .option('--keep-data', 'keep the journal, the objects and the keys'),
  );
  withExamples(
    command,
    { line: 'signalbox down', says: 'stop and remove everything' },
    { line: 'signalbox down --keep-data', says: 'stop, to go on later' },
  );
  return command.action((options: Options) => down(host, options));
}

async function down(host: Host, options: Options): Promise<void> {
  const plane = await host.local();
  const { existed } = await plane.down(options, (line) => host.screen.note(host.screen.paintError('dim', line)));
  const name = options.name ?? 'default';
  if (!existed) host.screen.print(`There is no instance ${name}: nothing to stop.`);
  else if (options.keepData === true) host.screen.print(`Instance ${name} is stopped; its state is kept.`);
  else host.screen.print(`Instance ${name} is stopped and removed.`);
}
