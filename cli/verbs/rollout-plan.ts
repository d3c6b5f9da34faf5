import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { servedRelease } from '../../api/v1alpha1/release.ts';
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import { planOf } from '../../core/rollout/power.ts';
import { AGENT } from '../../ports/resources.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { withSession } from '../kube/session.ts';
import {
  type ClusterOptions,
  type OutputOptions,
  positiveArgument,
  withCluster,
  withExamples,
  withOutput,
} from '../options.ts';
import { documentText, isDocument, parseDocument } from '../output/document.ts';
import { wrap } from '../output/width.ts';

interface Options extends ClusterOptions, OutputOptions {
  readonly keysPerHour: number;
  readonly release?: string;
}

export function planVerb(host: Host): Command {
  const command = new Command('plan')
    .summary('units and hours that a release needs')
    .description(
      'Plays the judge many times with a canary that is as good as stable, and says how many units and hours the release of an ' +
        'agent needs at the given traffic, and whether it can pass at all. Nothing is started.',
    )
    .argument('<agent>', 'name of the Agent')
    .addOption(
      new Option('--keys-per-hour <number>', 'new sticky keys an hour that may get the canary')
        .argParser(positiveArgument)
        .makeOptionMandatory(),
    )
    .option('--release <file>', 'plan this spec.release (YAML or JSON) instead of the one of the agent');
  withCluster(withOutput(command, ['table', 'json', 'yaml']));
  withExamples(command, {
    line: 'signalbox rollout plan receptionist -n clinic --keys-per-hour 40',
    says: 'is there enough traffic',
  });
  return command.action((agent: string, options: Options) => plan(host, agent, options));
}

async function plan(host: Host, agent: string, options: Options): Promise<void> {
  const release = options.release === undefined ? await declared(host, agent, options) : await read(options.release);
  const traffic = { keysPerHour: options.keysPerHour, runs: { durationsMs: [], costsMicros: [] }, means: {} };
  const found = planOf(release, traffic);
  if (isDocument(options.output)) return host.screen.raw(await documentText(found, options.output));
  const hours = (value: number | undefined): string =>
    value === undefined ? 'longer than it may take' : `${value.toFixed(1)} h`;
  const lines = [
    ...found.stages.map(
      ({ stage, weightBps, require, units, hours: takes }) =>
        `stage ${stage + 1}: ${weightBps / 100} % of new keys, ${require}: about ${Math.round(units)} units, ${hours(takes)}`,
    ),
    `in all: ${hours(found.hours)}${found.reachable ? '' : '; it cannot pass as it is'}`,
    ...found.findings.map((finding) => `- ${finding}`),
  ];
  host.screen.print(lines.flatMap((line) => wrap(line, host.screen.columns)).join('\n'));
}

const read = async (file: string) => servedRelease.parse(await parseDocument(await readFile(file, 'utf8'), file));

async function declared(host: Host, name: string, options: Options): Promise<NonNullable<AgentSpec['release']>> {
  return withSession(host, options, async ({ kube, namespace }) => {
    const agent = await kube.get<KubeObject & { readonly spec: AgentSpec }>(AGENT, { namespace, name });
    if (agent?.spec.release !== undefined) return agent.spec.release;
    const what = agent === undefined ? `there is no agent "${name}"` : `agent "${name}" has no spec.release`;
    throw new VerbError('NOT_FOUND', `${what} in namespace ${namespace}`, { attempt: 'name a file with --release' });
  });
}
