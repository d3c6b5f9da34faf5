import { Command } from 'commander';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import { type EngineClient, openEngine } from '../engine/client.ts';
import { findRun } from '../engine/find-run.ts';
import type { Host } from '../host.ts';
import { type EngineOptions, withEngine, withExamples, withOutput, withWatch, type WatchOptions } from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import { counted, money, span } from '../output/quantity.ts';
import { nextFor, paintStanding } from '../output/run.ts';
import { oneLine } from '../output/style.ts';
import { wrap } from '../output/width.ts';
import { narrate } from '../trace/narrate.ts';
import { renderEntries } from '../trace/render.ts';
import { familyLines } from './run-show.ts';

interface Options extends EngineOptions, WatchOptions {}

const LOOK_MS = 500;

export function traceVerb(host: Host): Command {
  const command = new Command('trace')
    .summary('every decision of a run, in order')
    .description(
      'Tells what happened in a run and why: states and guards with their values, models with cost and confidence, tool ' +
        'calls with arguments, permission and outcome, verifications, escalations and who decided them, retries. Times ' +
        'count from the start. Long values are cut; -o wide shows all, -o json is the history itself.',
    )
    .argument('<run>', 'id of the run, or name of its WorkflowRun');
  withEngine(withWatch(withOutput(command, ['table', 'wide', 'json', 'yaml'])));
  withExamples(
    command,
    { line: 'signalbox trace 7dKq3vXW1pLm9RtYzB2cNf -n clinic', says: 'what happened, and why' },
    { line: 'signalbox trace invoice-1042 -n clinic --watch', says: 'follow it to its end' },
    { line: 'signalbox trace invoice-1042 -n clinic -o json > history.json', says: 'keep the history' },
  );
  return command.action((run: string, options: Options) => trace(host, run, options));
}

async function trace(host: Host, name: string, options: Options): Promise<void> {
  const { screen } = host;
  const engine = await openEngine(host, options);
  const run = await findRun(host, options, engine, name);
  const events = await engine.history(run.run);
  if (isDocument(options.output)) {
    screen.raw(await documentText({ run: run.run, events }, options.output));
    return;
  }
  screen.print(`${screen.paint('bold', `Run ${run.run}`)} of ${run.workflow} in ${run.namespace}`);
  screen.print('');
  print(host, events, run, options);
  const last = options.watch === true ? await follow(host, engine, { run, events, options }) : run;
  screen.print('');
  screen.print(summary(host, last));
  for (const line of await familyLines(engine, last)) screen.print(line);
  screen.note(`next: ${last.status === 'Closed' ? `signalbox runs${engine.again}` : nextFor(last, engine.again)}`);
}

function print(host: Host, events: readonly HistoryEvent[], run: RunSummary, options: Options): void {
  const { columns, paint } = host.screen;
  const entries = narrate(events, options.output === 'wide');
  const lines = renderEntries(entries, { columns, paint, startedAt: run.startedAt });
  if (lines.length > 0) host.screen.print(lines.join('\n'));
}

/** Prints what is new until the run has ended or Ctrl-C. */
async function follow(
  host: Host,
  engine: EngineClient,
  from: { readonly run: RunSummary; readonly events: readonly HistoryEvent[]; readonly options: Options },
): Promise<RunSummary> {
  let { run } = from;
  let seen = from.events.at(-1)?.seq ?? 0;
  while (run.status !== 'Closed' || seen < run.seq) {
    try {
      await host.clock.sleep(LOOK_MS, host.interrupted);
    } catch {
      return run;
    }
    run = await engine.show(run.run);
    if (run.seq <= seen) continue;
    const fresh = (await engine.history(run.run)).filter((event) => event.seq > seen);
    if (fresh.length === 0) break;
    print(host, fresh, run, from.options);
    seen = fresh.at(-1)?.seq ?? seen;
  }
  return run;
}

function summary(host: Host, run: RunSummary): string {
  const took = span((run.closedAt ?? host.clock.now()) - run.startedAt);
  const numbers = [
    money(run.costMicros),
    counted(run.effects, 'effect'),
    counted(run.attempts, 'attempt'),
    run.repairs > 0 ? counted(run.repairs, 'repair') : undefined,
    run.escalations > 0 ? counted(run.escalations, 'escalation') : undefined,
  ].filter((part) => part !== undefined);
  const state = run.state === '' ? '' : ` in state ${run.state}`;
  const ended = run.status === 'Closed' ? ` after ${took}` : `${state}, ${took} so far`;
  const line = `${paintStanding(run, host.screen.paint)}${ended}: ${numbers.join(', ')}.`;
  return [line, ...wrap(oneLine(run.message), host.screen.columns)].join('\n').trimEnd();
}
