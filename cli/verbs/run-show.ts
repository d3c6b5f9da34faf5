import { Command } from 'commander';
import { isSignalboxError } from '../../api/errors.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import { type EngineClient, openEngine } from '../engine/client.ts';
import { findRun } from '../engine/find-run.ts';
import type { Host } from '../host.ts';
import { type EngineOptions, withEngine, withExamples, withOutput, withWatch, type WatchOptions } from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import { runText } from '../output/run.ts';
import { familyOf, treeLines } from '../output/tree.ts';
import { watched } from '../output/watch.ts';

interface Options extends EngineOptions, WatchOptions {}

export function runShowVerb(host: Host): Command {
  const command = new Command('show')
    .summary('one run: how it stands and what comes next')
    .description('Shows how one run stands: state, outcome, cost, effects, the open escalation, and what to type next.')
    .argument('<run>', 'id of the run, or name of its WorkflowRun');
  withEngine(withWatch(withOutput(command)));
  withExamples(
    command,
    { line: 'signalbox run show 7dKq3vXW1pLm9RtYzB2cNf -n clinic', says: 'by the id from signalbox runs' },
    { line: 'signalbox run show invoice-1042 -n clinic --watch', says: 'by the WorkflowRun that started it' },
  );
  return command.action((run: string, options: Options) => show(host, run, options));
}

/** The tree of its children, below an empty line; nothing where there are none. */
export async function familyLines(engine: EngineClient, run: RunSummary): Promise<readonly string[]> {
  if (run.children === undefined) return [];
  const family = await familyOf(run, async (child) => {
    try {
      return await engine.show(child);
    } catch (error) {
      if (isSignalboxError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  });
  return ['', 'children', ...treeLines(family)];
}

async function show(host: Host, name: string, options: Options): Promise<void> {
  const engine = await openEngine(host, options);
  const page = async (): Promise<string> => {
    const run = await findRun(host, options, engine, name);
    if (isDocument(options.output)) return documentText(run, options.output);
    if (options.output === 'name') return `${run.run}\n`;
    const text = runText(run, host.clock.now(), { ...host.screen, again: engine.again });
    return `${[text, ...(await familyLines(engine, run))].join('\n')}\n`;
  };
  if (options.watch === true) return watched(host, page);
  host.screen.raw(await page());
}
