import { Command } from 'commander';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';
import { bundleBuildVerb } from './bundle-build.ts';
import { bundleDiffVerb } from './bundle-diff.ts';
import { bundleLintVerb } from './bundle-lint.ts';
import { bundleReplayVerb } from './bundle-replay.ts';
import { bundleSignVerb } from './bundle-sign.ts';
import { bundleVerifyVerb } from './bundle-verify.ts';

export function bundleVerb(host: Host): Command {
  const command = new Command('bundle')
    .summary('build, check and sign releases of agents')
    .description('Builds bundles from files; checks, compares and signs them before they reach a cluster.')
    .addCommand(bundleBuildVerb(host))
    .addCommand(bundleLintVerb(host))
    .addCommand(bundleDiffVerb(host))
    .addCommand(bundleSignVerb(host))
    .addCommand(bundleVerifyVerb(host))
    .addCommand(bundleReplayVerb(host));
  return withExamples(command, { line: 'signalbox bundle lint manifests', says: 'in CI, before anything is applied' });
}
