import { Command, Option } from 'commander';
import type { RunStatus, RunSummary } from '../../api/messages/history.ts';
import { type EngineClient, openEngine } from '../engine/client.ts';
import type { Host } from '../host.ts';
import {
  positiveArgument,
  spanArgument,
  type EngineOptions,
  withEngine,
  withExamples,
  withOutput,
  withWatch,
  type WatchOptions,
} from '../options.ts';
import { type Listed, noteMore, printList } from '../output/listing.ts';
import { span } from '../output/quantity.ts';
import { runColumns } from '../output/run.ts';
import { watchedRows } from '../output/watch.ts';

interface Options extends EngineOptions, WatchOptions {
  readonly workflow?: string;
  readonly status?: RunStatus;
  readonly limit: number;
  readonly where?: string;
  readonly since?: number;
}

/** What a person can still look through. */
const limitMax = 10_000;

const statuses: readonly RunStatus[] = ['Running', 'Waiting', 'Frozen', 'Closed'];

export function runsVerb(host: Host): Command {
  const command = new Command('runs')
    .summary('list runs')
    .description('Lists runs, the newest first, with how they stand, what they cost and how often a person was asked.')
    .option('--workflow <workflow>', 'only runs of this workflow')
    .addOption(new Option('--status <status>', 'only runs that are').choices([...statuses]))
    .option('--where <conditions>', 'only runs whose attributes fit, such as priority=high,amount>100')
    .addOption(new Option('--since <duration>', 'only runs started in the last').argParser(spanArgument))
    .addOption(new Option('--limit <number>', 'at most so many').argParser(positiveArgument).default(50));
  withEngine(withWatch(withOutput(command)));
  withExamples(
    command,
    { line: 'signalbox runs -n clinic', says: 'the newest runs' },
    { line: 'signalbox runs -n clinic --workflow billing --status Waiting', says: 'which ones wait for a person' },
    { line: "signalbox runs -n clinic --where 'kind=visit,amount>100' --since 24h", says: 'search by attributes' },
    { line: 'signalbox runs -n clinic --watch', says: 'follow them' },
  );
  return command.action((options: Options) => runs(host, options));
}

async function runs(host: Host, options: Options): Promise<void> {
  const engine = await openEngine(host, options);
  const look = (): Promise<readonly RunSummary[]> =>
    engine.list({
      limit: options.limit,
      ...(options.where === undefined ? {} : { where: options.where }),
      ...(options.since === undefined ? {} : { since: new Date(host.clock.now() - options.since).toISOString() }),
      ...(options.workflow === undefined ? {} : { workflow: options.workflow }),
      ...(options.status === undefined ? {} : { status: options.status }),
    });
  const show = (rows: readonly RunSummary[], below?: readonly RunSummary[]): Promise<void> =>
    printList(host.screen, newestFirst(rows), listed(host, engine, options), {
      format: options.output,
      ...(below === undefined ? {} : { below }),
    });
  if (options.watch === true) return watchedRows(host, { look, show, key: (run) => run.run });
  const rows = await look();
  await show(rows);
  noteMore(host.screen, rows.length, { ...options, max: limitMax });
}

const newestFirst = (rows: readonly RunSummary[]): readonly RunSummary[] =>
  rows.toSorted((a, b) => b.startedAt - a.startedAt || (a.run < b.run ? -1 : 1));

function listed(host: Host, engine: EngineClient, options: Options): Listed<RunSummary> {
  const which = [
    options.status === undefined ? '' : ` that are ${options.status}`,
    options.workflow === undefined ? '' : ` of workflow ${options.workflow}`,
    options.where === undefined ? '' : ` with ${options.where}`,
    options.since === undefined ? '' : ` of the last ${span(options.since)}`,
  ].join('');
  return {
    columns: runColumns(host.clock.now()),
    name: (run) => run.run,
    empty:
      `No runs${which} in namespace ${engine.namespace}.\n` +
      `next: signalbox run start ${options.workflow ?? 'WORKFLOW'}${engine.again} --input FILE`,
  };
}
