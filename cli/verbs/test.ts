import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { TrialRecord } from '../../core/evaluation/record.ts';
import { Ended, type ExitCode, report } from '../failure.ts';
import type { Host } from '../host.ts';
import { countArgument, positiveArgument, withExamples } from '../options.ts';
import { documentText } from '../output/document.ts';
import { junit } from '../scenarios/junit.ts';
import { markdown } from '../scenarios/markdown.ts';
import { outcomeOf } from '../scenarios/outcome.ts';
import { type PlayedSuite, playSuites } from '../scenarios/play.ts';
import { prepare, type Prepared } from '../scenarios/prepare.ts';
import { type Look, scenarioLines, suiteLines } from '../scenarios/report.ts';

interface Options {
  readonly manifests?: readonly string[];
  readonly bundle?: readonly string[];
  readonly scenario?: readonly string[];
  readonly trials?: number;
  readonly seed?: number;
  readonly parallel: number;
  readonly keep?: string;
  readonly output: 'table' | 'json' | 'junit' | 'markdown';
}

/** Of this verb alone: what CI wants to tell apart. */
const ends = { pass: 0, fail: 1, invalid: 2, config: 3 } as const satisfies Record<string, ExitCode>;
const parallelMax = 64;

export function testVerb(host: Host): Command {
  const command = new Command('test')
    .summary('play scenarios against agents, without a cluster')
    .description(
      'Plays each scenario with the real engine, gateway and workers on this machine: models follow scripts, tools act on the ' +
        'world of the scenario, faults strike as declared. Then it scores: was it done, were the rules kept, were the right ' +
        'people asked. Exit codes: 0 every gate passes, 1 one does not, 2 a run says nothing (too many errors of the harness), ' +
        '3 the scenarios or manifests are not valid.',
    )
    .argument('<path...>', 'files or folders with documents of kind ScenarioSuite or Scenario')
    .option(
      '-m, --manifests <path...>',
      'files or folders with Agents, Bundles, Tools, Models, Workflows; default: the paths',
    )
    .option('--bundle <name...>', 'instead of what their Agents name: Bundles of the manifests')
    .option('--scenario <name...>', 'only these scenarios')
    .addOption(new Option('--trials <n>', 'trials of each scenario').argParser(positiveArgument))
    .addOption(new Option('--seed <n>', 'seed of each scenario').argParser(countArgument))
    .addOption(new Option('--parallel <n>', 'trials at a time').argParser(parallelArgument).default(8))
    .option('--keep <folder>', 'write what is known of each trial there, as JSON')
    .addOption(
      new Option('-o, --output <format>', 'output').choices(['table', 'json', 'junit', 'markdown']).default('table'),
    );
  withExamples(
    command,
    {
      line: 'signalbox test examples/clinic/scenarios -m examples/clinic/manifests',
      says: 'all scenarios of the clinic',
    },
    {
      line: 'signalbox test scenarios -m manifests --bundle billing-v2 -o junit > report.xml',
      says: 'another bundle, in CI',
    },
    { line: 'signalbox test scenarios -m manifests --scenario refund --trials 8', says: 'one scenario, eight times' },
  );
  return command.action((paths: readonly string[], options: Options) => test(host, paths, options));
}

function parallelArgument(text: string): number {
  const number = positiveArgument(text);
  if (number > parallelMax) throw new InvalidArgumentError(`It must be at most ${parallelMax}.`);
  return number;
}

async function test(host: Host, paths: readonly string[], options: Options): Promise<void> {
  const prepared = await prepareOrEnd(host, paths, options);
  const look: Look = { columns: host.screen.columns, paint: host.screen.paint, again: commandLine(paths, options) };
  const played = await play(host, prepared, { options, look }).catch((error: unknown) => {
    // What keeps scenarios from being played says nothing of the agents.
    report(error, host.screen);
    throw new Ended(ends.invalid);
  });
  if (host.interrupted.aborted) throw new Ended(ends.invalid);
  host.screen.raw(await textOf(played, prepared, { options, look }));
  const verdicts = played.map(({ verdict }) => verdict);
  if (verdicts.includes('invalid')) throw new Ended(ends.invalid);
  if (verdicts.includes('fail')) throw new Ended(ends.fail);
}

interface Told {
  readonly options: Options;
  readonly look: Look;
}

/** What is wrong with the files ends this verb in its own way. */
async function prepareOrEnd(host: Host, paths: readonly string[], options: Options): Promise<Prepared> {
  const { manifests, bundle: bundles, scenario: scenarios, trials, seed } = options;
  const wanted = { paths, ...given({ manifests, bundles, scenarios, trials, seed }) };
  try {
    return await prepare(host.screen, wanted);
  } catch (error) {
    report(error, host.screen);
    throw new Ended(ends.config);
  }
}

const given = <T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;

async function play(host: Host, prepared: Prepared, { options, look }: Told): Promise<readonly PlayedSuite[]> {
  const { screen } = host;
  // With a document on standard output, progress goes beside it.
  const tell = (line: string): void => (options.output === 'table' ? screen.print(line) : screen.note(line));
  const local = await host.local();
  const sandbox = await local.startSandbox(prepared.manifests, (line) => screen.note(line));
  try {
    return await playSuites(prepared.suites, {
      sandbox,
      tools: prepared.manifests.tools,
      parallel: options.parallel,
      stopped: host.interrupted,
      onScenario: (_suite, score) => scenarioLines(score, look).forEach(tell),
      onRecord: (suite, record) => keep(options.keep, suite, record),
    });
  } finally {
    await sandbox.stop();
  }
}

/** `<suite>.<scenario>.<trial>.json` */
async function keep(folder: string | undefined, suite: string, record: TrialRecord): Promise<void> {
  if (folder === undefined) return;
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${suite}.${record.scenario}.${record.trial}.json`);
  await writeFile(file, `${JSON.stringify(record, undefined, 2)}\n`);
}

async function textOf(played: readonly PlayedSuite[], prepared: Prepared, { options, look }: Told): Promise<string> {
  switch (options.output) {
    case 'table':
      return played.flatMap((suite) => ['', ...suiteLines(suite, look)]).join('\n') + '\n';
    case 'json':
      return documentText(outcomeOf(prepared, played), 'json');
    case 'junit':
      return junit(played);
    case 'markdown':
      return markdown(played, look.again);
  }
}

/** What was typed, but for the choice of scenarios. */
function commandLine(paths: readonly string[], { manifests = [], bundle = [] }: Options): string {
  const list = (option: string, values: readonly string[]) => (values.length === 0 ? [] : [option, ...values]);
  return ['signalbox test', ...paths, ...list('-m', manifests), ...list('--bundle', bundle)].join(' ');
}
