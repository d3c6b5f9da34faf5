import { Command } from 'commander';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';

export function versionVerb(host: Host): Command {
  const command = new Command('version').summary('print the version').description('Prints the version of Signalbox.');
  withExamples(command, { line: 'signalbox version', says: 'which release this is' });
  return command.action(() => host.screen.print(`signalbox ${host.version} (node ${process.versions.node})`));
}
