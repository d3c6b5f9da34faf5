import { Command } from 'commander';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';
import { bundleBuildVerb } from './bundle-build.ts';
import { bundleLintVerb } from './bundle-lint.ts';

export function bundleVerb(host: Host): Command {
  const command = new Command('bundle')
    .summary('build and check releases of agents')
    .description('Builds bundles from files and checks them before they reach a cluster.')
    .addCommand(bundleBuildVerb(host))
    .addCommand(bundleLintVerb(host));
  return withExamples(command, { line: 'signalbox bundle lint manifests', says: 'in CI, before anything is applied' });
}
