import { Command, Option } from 'commander';
import type { HistoryEvent } from '../../api/messages/history.ts';
import { type Replayed, replay, type StoredRun } from '../../core/evaluation/replay.ts';
import { percent } from '../../core/evaluation/gate.ts';
import { filesOf, readText } from '../bundle/source.ts';
import { Ended, type ExitCode, report, VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';
import { documentText } from '../output/document.ts';
import { counted } from '../output/quantity.ts';
import { oneLine } from '../output/style.ts';
import { wrap } from '../output/width.ts';
import { readManifests } from '../scenarios/prepare.ts';

interface Options {
  readonly manifests: readonly string[];
  readonly bundle?: readonly string[];
  readonly output: 'table' | 'json';
}

/** As of `signalbox test`. */
const ends = { pass: 0, block: 1, nothing: 2, config: 3 } as const satisfies Record<string, ExitCode>;
/** Lines of what changed; all of it is in the JSON. */
const linesMax = 50;

export function bundleReplayVerb(host: Host): Command {
  const command = new Command('replay')
    .summary('decide stored runs again as a candidate would')
    .description(
      'Makes each permission and each question to people of stored runs once more, with the bundles, ceilings, tools and policies ' +
        'of the manifests, on the facts as they were recorded. No model and no tool is asked. Tells what would be permitted ' +
        'that was not (looser) and the reverse (stricter). Exit codes: 0 nothing is looser on a tool with an effect, 1 something ' +
        'is, 2 the records say nothing, 3 files are not valid.',
    )
    .argument('<history...>', 'files or folders: `signalbox trace -o json`, or what `signalbox test --keep` wrote')
    .requiredOption(
      '-m, --manifests <path...>',
      'files or folders with the candidate: Agents, Bundles, Tools, Workflows …',
    )
    .option('--bundle <name...>', 'instead of what their Agents name: Bundles of the manifests')
    .addOption(new Option('-o, --output <format>', 'output').choices(['table', 'json']).default('table'));
  withExamples(
    command,
    {
      line: 'signalbox bundle replay histories -m manifests --bundle billing-v2',
      says: 'what would billing-v2 permit that was not?',
    },
    { line: 'signalbox bundle replay histories -m manifests -o json', says: 'each decision, for programs' },
  );
  return command.action((paths: readonly string[], options: Options) => bundleReplay(host, paths, options));
}

async function bundleReplay(host: Host, paths: readonly string[], options: Options): Promise<void> {
  const { screen } = host;
  let replayed: Replayed;
  try {
    const manifests = await readManifests(screen, options.manifests, options.bundle ?? []);
    replayed = replay(await storedRuns(paths), manifests);
  } catch (error) {
    report(error, screen);
    throw new Ended(ends.config);
  }
  if (options.output === 'json') screen.raw(await documentText(replayed, 'json'));
  else for (const line of lines(replayed, screen.columns)) screen.print(line);
  if (replayed.verdict !== 'pass') throw new Ended(ends[replayed.verdict]);
}

interface Stored {
  readonly run?: string;
  readonly events?: readonly HistoryEvent[];
  /** Of a trial. */
  readonly runs?: readonly StoredRun[];
}

async function storedRuns(paths: readonly string[]): Promise<readonly StoredRun[]> {
  const files = [...new Set((await Promise.all(paths.map(filesOf))).flat())];
  const read = await Promise.all(files.map(async (file) => runsIn(file, await readText(file))));
  return read.flat();
}

function runsIn(file: string, text: string): readonly StoredRun[] {
  const stored = parsed(file, text);
  const runs = stored.runs ?? (stored.events === undefined ? [] : [{ run: stored.run ?? file, events: stored.events }]);
  const sound = runs.every(({ events }) => Array.isArray(events) && events[0]?.type === 'RunStarted');
  if (sound && Array.isArray(runs) && runs.length > 0) return runs;
  throw new VerbError(
    'INVALID_INPUT',
    `${file}: found no history that begins with RunStarted; allowed: {events: […]} or {runs: […]}`,
  );
}

function parsed(file: string, text: string): Stored {
  try {
    return JSON.parse(text) as Stored;
  } catch (cause) {
    throw new VerbError(
      'INVALID_INPUT',
      `${file} is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
}

const verdicts = {
  pass: 'Nothing is looser on a tool with an effect.',
  block: 'Looser where there are effects: this blocks the candidate.',
  nothing: 'The records say nothing about the candidate.',
} as const;

function lines({ runs, calls, questions, counts, coverage, verdict }: Replayed, columns: number): readonly string[] {
  const changed = [
    ...calls
      .filter(({ change }) => change === 'looser' || change === 'stricter')
      .map(
        ({ change, run, seq, agent, tool, effect, recorded, candidate, why }) =>
          `${change}: ${agent} calling ${tool} (${effect}) was ${recorded ?? ''}, would be ${candidate ?? ''}: ${why} (run ${run}, event ${seq})`,
      ),
    ...questions
      .filter(({ change }) => change !== 'same')
      .map(({ change, what, run, seq }) => `${change}: ${what} (run ${run}, event ${seq})`),
  ];
  const more = changed.length > linesMax ? [`and ${changed.length - linesMax} more; -o json shows all`] : [];
  return [
    ...changed.slice(0, linesMax).flatMap((line) => wrap(oneLine(line), columns)),
    ...more,
    `${counted(runs, 'run')}, ${counted(calls.length, 'call')}: ${counts.same} same, ${counts.stricter} stricter, ${counts.looser} looser, ${counts.unknown} unknown${coverage === undefined ? '' : ` (coverage ${percent(coverage)})`}`,
    verdicts[verdict],
  ];
}
