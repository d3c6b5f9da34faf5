import { Command } from 'commander';
import type { ScheduleSummary } from '../../api/messages/schedule.ts';
import { type EngineClient, openEngine } from '../engine/client.ts';
import type { Host } from '../host.ts';
import {
  type EngineOptions,
  type OutputOptions,
  type ReasonOptions,
  withEngine,
  withExamples,
  withOutput,
  withReason,
} from '../options.ts';
import { answerFormats, printAnswer } from '../output/answer.ts';
import { printList } from '../output/listing.ts';
import { scheduleColumns } from '../output/schedule.ts';

type Options = EngineOptions & OutputOptions;
type PauseOptions = EngineOptions & ReasonOptions;

export function scheduleVerb(host: Host): Command {
  const command = new Command('schedule')
    .summary('list, pause, resume or trigger schedules')
    .description(
      'Schedules are triggers of a Workflow (spec.triggers[].schedule). A schedule without a name is called "default".',
    )
    .addCommand(listVerb(host))
    .addCommand(pauseVerb(host))
    .addCommand(resumeVerb(host))
    .addCommand(triggerVerb(host));
  return withExamples(command, { line: 'signalbox schedule list -n clinic', says: 'what starts when' });
}

function listVerb(host: Host): Command {
  const command = new Command('list')
    .summary('list schedules')
    .description('Lists schedules with their next and last start, and why a due time was skipped. Times are UTC.');
  withEngine(withOutput(command));
  withExamples(
    command,
    { line: 'signalbox schedule list -n clinic', says: 'what starts when' },
    { line: 'signalbox schedule list -n clinic -o wide', says: 'with the reasons of skipped times' },
  );
  return command.action(async (options: Options) => {
    const engine = await openEngine(host, options);
    const columns = scheduleColumns(host.clock.now());
    const empty = `No schedules in namespace ${engine.namespace}.\nnext: add spec.triggers[].schedule to a Workflow`;
    await printList(
      host.screen,
      await engine.schedules(),
      { columns, name: nameOf, empty },
      { format: options.output },
    );
  });
}

const nameOf = ({ workflow, name }: ScheduleSummary): string => `${workflow}/${name}`;

const named = (command: Command): Command =>
  command.argument('<workflow>', 'name of the Workflow').argument('[schedule]', 'name of the schedule', 'default');

function pauseVerb(host: Host): Command {
  const command = named(new Command('pause'))
    .summary('pause a schedule')
    .description('Nothing is started until it is resumed; due times meanwhile are skipped and not made up for.');
  withEngine(withReason(command, 'shown in the list'));
  withExamples(command, {
    line: 'signalbox schedule pause nightly-report -n clinic --reason "printer is broken"',
    says: 'stop it for now',
  });
  return command.action(async (workflow: string, schedule: string, options: PauseOptions) => {
    const engine = await openEngine(host, options);
    const after = await engine.pause(workflow, schedule, options.reason);
    const sentence = `Schedule ${schedule} of ${workflow} is paused.`;
    const next = `signalbox schedule resume ${workflow} ${schedule}${engine.again}`;
    await printAnswer(host.screen, { value: after, name: nameOf(after), sentence, next }, options.output);
  });
}

function resumeVerb(host: Host): Command {
  const command = named(new Command('resume'))
    .summary('resume a paused schedule')
    .description('Goes on with the next due time.');
  withEngine(withOutput(command, answerFormats));
  withExamples(command, { line: 'signalbox schedule resume nightly-report -n clinic', says: 'go on' });
  return command.action(async (workflow: string, schedule: string, options: Options) => {
    const engine = await openEngine(host, options);
    const after = await engine.resume(workflow, schedule);
    const next = after.next === undefined ? '' : ` The next start is at ${new Date(after.next).toISOString()}.`;
    const sentence = `Schedule ${schedule} of ${workflow} goes on.${next}`;
    await printAnswer(host.screen, { value: after, name: nameOf(after), sentence }, options.output);
  });
}

function triggerVerb(host: Host): Command {
  const command = named(new Command('trigger'))
    .summary('start a run of a schedule now')
    .description('Starts one run now, with the input of the schedule; its timetable and overlap are left alone.');
  withEngine(withOutput(command, answerFormats));
  withExamples(command, {
    line: 'signalbox schedule trigger nightly-report -n clinic',
    says: 'do not wait for tonight',
  });
  return command.action(async (workflow: string, schedule: string, options: Options) => {
    const engine: EngineClient = await openEngine(host, options);
    const run = await engine.trigger(workflow, schedule);
    const next = `signalbox trace ${run.run}${engine.again}`;
    await printAnswer(host.screen, { value: run, name: run.run, sentence: run.run, next }, options.output);
  });
}
