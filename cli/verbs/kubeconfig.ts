import { join } from 'node:path';
import { Command } from 'commander';
import type { Host } from '../host.ts';
import { withExamples, withInstance } from '../options.ts';

interface Options {
  readonly name?: string;
  readonly stateDir?: string;
  readonly write?: string | true;
}

export function kubeconfigVerb(host: Host): Command {
  const command = withInstance(
    new Command('kubeconfig')
      .summary('kubeconfig of the local control plane')
      .description(
        'Prints a kubeconfig with full rights on the local instance. With --write it goes to a file that only you can ' +
          'read, and the path is printed.',
      )
      .option('--write [file]', "write it to a file; default: kubeconfig in the instance's folder"),
  );
  withExamples(
    command,
    { line: 'export KUBECONFIG=$(signalbox kubeconfig --write)', says: 'use kubectl with it in this shell' },
    { line: 'signalbox kubeconfig --write clinic.kubeconfig', says: 'write it to a file of your choice' },
  );
  return command.action((options: Options) => kubeconfig(host, options));
}

async function kubeconfig(host: Host, options: Options): Promise<void> {
  const { writeFile } = await import('node:fs/promises');
  const plane = await host.local();
  const { write, ...instance } = options;
  const text = await plane.kubeconfig(instance);
  if (write === undefined) {
    host.screen.raw(text);
    return;
  }
  const path = write === true ? join((await plane.status(instance)).stateDir, 'kubeconfig') : write;
  await writeFile(path, text, { mode: 0o600 });
  host.screen.print(path);
}
