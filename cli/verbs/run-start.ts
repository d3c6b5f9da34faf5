import { Command, Option } from 'commander';
import { SignalboxError } from '../../api/errors.ts';
import type { JsonObject, RunSummary } from '../../api/messages/history.ts';
import { type Priority, priorities } from '../../api/messages/priority.ts';
import { type EngineClient, openEngine } from '../engine/client.ts';
import { Ended, type ExitCode, exitCodes, VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import {
  type EngineOptions,
  type OutputOptions,
  spanArgument,
  withEngine,
  withExamples,
  withOutput,
} from '../options.ts';
import { documentText, isDocument, parseDocument } from '../output/document.ts';
import { counted, money, span } from '../output/quantity.ts';
import { nextFor, paintStanding, standing } from '../output/run.ts';
import { oneLine } from '../output/style.ts';
import { wrap } from '../output/width.ts';

interface Options extends EngineOptions, OutputOptions {
  readonly input?: string;
  readonly key?: string;
  readonly priority?: Priority;
  readonly startAt?: string;
  readonly delay?: string;
  readonly wait?: true;
  readonly timeout: number;
}

/** An answer without news that comes sooner is from an engine that does not wait: it gets a pause. */
const LOOK_MS = 300;

export function runStartVerb(host: Host): Command {
  const command = new Command('start')
    .summary('start a run of a workflow')
    .description(
      'Starts a run. With a key, a second start with the same key and input is the same run; one with another input is refused. With --wait it ends when the run ends: ' +
        'with 0 on success, 4 when it was refused, and 1 otherwise.',
    )
    .argument('<workflow>', 'name of the Workflow')
    .option('--input <input>', 'a JSON or YAML file, - for standard input, or JSON itself; default: {}')
    .option('--key <key>', "business key; default: the workflow's own rule")
    .addOption(
      new Option('--priority <priority>', 'of its tasks; default: that of the workflow').choices([...priorities]),
    )
    .option('--start-at <time>', 'nothing happens before this time, such as 2026-03-29T01:00:00Z')
    .option('--delay <duration>', 'nothing happens before this time has passed, such as 10m')
    .option('--wait', 'wait until the run has ended')
    .addOption(
      new Option('--timeout <duration>', 'how long --wait waits').argParser(spanArgument).default(600_000, '10m'),
    );
  withEngine(withOutput(command, ['table', 'json', 'yaml', 'name']));
  withExamples(
    command,
    { line: 'signalbox run start billing -n clinic --input invoice.json', says: 'with the input in a file' },
    {
      line: `signalbox run start billing -n clinic --input '{"invoice": "1042"}' --key invoice-1042 --wait`,
      says: 'once per invoice, and wait',
    },
    { line: 'run=$(signalbox run start billing -n clinic --input - -o name < invoice.json)', says: 'in a script' },
  );
  return command.action((workflow: string, options: Options) => start(host, workflow, options));
}

async function start(host: Host, workflow: string, options: Options): Promise<void> {
  const input = await readInput(host, options.input ?? '{}');
  const engine = await openEngine(host, options);
  const { key, priority, startAt, delay } = options;
  const run = await engine.start(workflow, input, {
    ...(key === undefined ? {} : { key }),
    ...(priority === undefined ? {} : { priority }),
    ...(startAt === undefined ? {} : { startAt }),
    ...(delay === undefined ? {} : { delay }),
  });
  if (options.wait !== true) return show(host, run, { ...options, at: engine.again });
  host.screen.note(`run ${run.run} of ${workflow} started; waiting ${span(options.timeout)} at most`);
  const last = await waitForEnd(host, engine, run, options.timeout);
  await show(host, last, { ...options, at: engine.again });
  const exit = exitOf(last);
  if (exit !== exitCodes.ok) throw new Ended(exit);
}

/** An object from a file, standard input or the command line itself. */
export async function readInput(host: Pick<Host, 'readStdin'>, given: string): Promise<JsonObject> {
  const [text, from] = await source(host, given);
  const value = await parseDocument(text, from);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  const found = Array.isArray(value) ? 'a list' : value === null ? 'nothing' : `a ${typeof value}`;
  throw new SignalboxError('INVALID_INPUT', `--input must be one JSON object, found ${found} in ${from}`);
}

async function source(host: Pick<Host, 'readStdin'>, given: string): Promise<readonly [string, string]> {
  if (given === '-') return [await host.readStdin(), 'standard input'];
  if (/^\s*[{[]/.test(given)) return [given, '--input'];
  const { readFile } = await import('node:fs/promises');
  try {
    return [await readFile(given, 'utf8'), given];
  } catch (cause) {
    throw new VerbError('INVALID_INPUT', `--input: ${given} cannot be read: ${(cause as Error).message}`, {
      attempt: `a file that exists, - for standard input, or JSON itself: --input '{"name": "value"}'`,
    });
  }
}

async function show(host: Host, run: RunSummary, options: OutputOptions & { readonly at: string }): Promise<void> {
  const { screen } = host;
  if (isDocument(options.output)) {
    screen.raw(await documentText(run, options.output));
    return;
  }
  if (options.output === 'name') {
    screen.print(run.run);
    return;
  }
  const took = span((run.closedAt ?? host.clock.now()) - run.startedAt);
  const ended = `${paintStanding(run, screen.paint)} after ${took}, ${money(run.costMicros)}, ${counted(run.effects, 'effect')}`;
  const going = `${standing(run)}${run.state === '' ? '' : ` in ${run.state}`}`;
  screen.print(`Run ${run.run} of ${run.workflow}: ${run.status === 'Closed' ? ended : going}.`);
  if (run.message !== '') screen.print(wrap(oneLine(run.message), screen.columns).join('\n'));
  screen.note(`next: ${nextFor(run, options.at)}`);
}

/** Looks until the run has ended; says once when it waits for a person. */
async function waitForEnd(
  host: Host,
  engine: EngineClient,
  started: RunSummary,
  timeoutMs: number,
): Promise<RunSummary> {
  const until = host.clock.now() + timeoutMs;
  let said: string | undefined;
  for (let run = started; ;) {
    if (run.status === 'Closed') return run;
    if (run.escalation !== undefined && run.escalation !== said) {
      said = run.escalation;
      host.screen.note(`it waits for a person: ${nextFor(run, engine.again)}`);
    }
    if (host.clock.now() >= until) {
      throw new VerbError('TIMEOUT', `run ${run.run} has not ended after ${span(timeoutMs)}; it goes on by itself`, {
        attempt: `signalbox run show ${run.run}${engine.again} --watch`,
      });
    }
    const [seq, asked] = [run.seq, host.clock.now()];
    run = await engine.show(started.run, seq);
    const early = asked + LOOK_MS - host.clock.now();
    if (run.seq === seq && run.status !== 'Closed' && early > 0) await host.clock.sleep(early, host.interrupted);
  }
}

function exitOf(run: RunSummary): ExitCode {
  if (run.outcome === 'success') return exitCodes.ok;
  return run.outcome === 'refused' ? exitCodes.refused : exitCodes.failed;
}
