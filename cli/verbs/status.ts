import { Command } from 'commander';
import { workOf } from '../engine/system-status.ts';
import { Ended, exitCodes } from '../failure.ts';
import type { Host } from '../host.ts';
import type { LocalStatus } from '../local-plane.ts';
import { withExamples, withInstance, withOutput, withWatch, type WatchOptions } from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import { statusText } from '../output/status.ts';
import { watched } from '../output/watch.ts';

interface Options extends WatchOptions {
  readonly name?: string;
  readonly stateDir?: string;
}

export function statusVerb(host: Host): Command {
  const command = withWatch(
    withOutput(
      withInstance(
        new Command('status')
          .summary('its servers and pods, and what to type next')
          .description(
            'Shows each server and pod of the local instance with process, memory, ports and restarts; which engine serves ' +
              'which partition, what stands still, what was given up, which limits are near; whether NATS really writes to ' +
              'disk before it acknowledges, and what to type next. Ends with 3 when it is not running.',
          ),
      ),
      ['table', 'wide', 'json', 'yaml'],
    ),
  );
  withExamples(
    command,
    { line: 'signalbox status', says: 'is it fine' },
    { line: 'signalbox status -o json', says: 'the same for a program' },
    { line: 'signalbox status --watch', says: 'see pods come and go' },
  );
  return command.action((options: Options) => status(host, options));
}

async function status(host: Host, options: Options): Promise<void> {
  const plane = await host.local();
  let last: LocalStatus | undefined;
  const shown = async (): Promise<string> => {
    last = await plane.status(options);
    const work = last.running ? await workOf(host, options) : undefined;
    const whole = work === undefined ? last : { ...last, work };
    if (isDocument(options.output)) return documentText(whole, options.output);
    const { columns, paint } = host.screen;
    return `${statusText(last, { columns, wide: options.output === 'wide', paint }, work)}\n`;
  };
  if (options.watch === true) return watched(host, shown);
  host.screen.raw(await shown());
  if (last?.running !== true) throw new Ended(exitCodes.notFound);
}
