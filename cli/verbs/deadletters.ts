import { Command, Option } from 'commander';
import { type DeadLetterReason, deadLetterReasons } from '../../api/messages/dead-letter.ts';
import { openEngine } from '../engine/client.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import {
  type EngineOptions,
  type OutputOptions,
  positiveArgument,
  type ReasonOptions,
  withEngine,
  withExamples,
  withOutput,
  withReason,
} from '../options.ts';
import { printAnswer } from '../output/answer.ts';
import { letterColumns, letterText } from '../output/dead-letter.ts';
import { documentText, isDocument } from '../output/document.ts';
import { noteMore, printList } from '../output/listing.ts';

/** Of the engine, for one list. */
const limitMax = 1_000;
const example = '3f0c9a1b7d2e4c5a6b8f';

interface ListOptions extends EngineOptions, OutputOptions {
  readonly reason?: DeadLetterReason;
  readonly group?: string;
  readonly all?: true;
  readonly limit: number;
}
interface ShowOptions extends EngineOptions, OutputOptions {}
interface DecideOptions extends EngineOptions, ReasonOptions {
  readonly yes?: true;
}

export function deadLettersVerb(host: Host): Command {
  const group = new Command('deadletters')
    .summary('what was given up')
    .description(
      'What could not be handled and is not tried any more by itself: events, starts, activities, projections. People decide: ' +
        'try it again, or drop it. What was carried is never shown, only how large it is.',
    )
    .addCommand(listVerb(host))
    .addCommand(showVerb(host))
    .addCommand(decideVerb(host, 'retry'))
    .addCommand(decideVerb(host, 'drop'));
  return withExamples(group, { line: 'signalbox deadletters list -n clinic', says: 'what waits for a decision' });
}

function listVerb(host: Host): Command {
  const command = new Command('list')
    .summary('list them')
    .description('Lists letters that wait for a decision, the newest first.')
    .addOption(new Option('--reason <reason>', 'only of this reason').choices(Object.keys(deadLetterReasons)))
    .option('--group <id>', 'only of this group: the same reason, origin and code; its id is in `show` and in -o wide')
    .option('--all', 'also those that were tried again or dropped in the last seven days')
    .addOption(new Option('--limit <number>', 'at most so many').argParser(positiveArgument).default(100));
  withEngine(withOutput(command));
  withExamples(
    command,
    { line: 'signalbox deadletters list -n clinic', says: 'what waits' },
    { line: 'signalbox deadletters list -n clinic --reason poison -o json', says: 'for a program' },
  );
  return command.action((options: ListOptions) => list(host, options));
}

async function list(host: Host, options: ListOptions): Promise<void> {
  const engine = await openEngine(host, options);
  const { reason, group, all, limit } = options;
  const letters = await engine.letters({
    limit,
    ...(reason === undefined ? {} : { reason }),
    ...(group === undefined ? {} : { group }),
    ...(all === undefined ? {} : { all }),
  });
  const empty = `No dead letters in namespace ${engine.namespace}.\nnext: signalbox runs${engine.again}`;
  const columns = letterColumns(host.clock.now());
  await printList(host.screen, letters, { columns, name: ({ id }) => id, empty }, { format: options.output });
  const first = letters.find(({ state }) => state === 'Open');
  if (first !== undefined && ['table', 'wide'].includes(options.output)) {
    const alike = letters.filter((letter) => letter.group === first.group).length;
    if (group === undefined && alike > 1) {
      host.screen.note(`next: signalbox deadletters list --group ${first.group}${engine.again}, ${alike} of one cause`);
    }
    host.screen.note(`next: signalbox deadletters show ${first.id}${engine.again}`);
  }
  noteMore(host.screen, letters.length, { ...options, max: limitMax });
}

function showVerb(host: Host): Command {
  const command = new Command('show')
    .summary('show one')
    .description('Shows one letter: where it came from, why it was given up, how often it was tried.')
    .argument('<letter>', 'id of the letter');
  withEngine(withOutput(command, ['table', 'json', 'yaml', 'name']));
  withExamples(command, { line: `signalbox deadletters show ${example} -n clinic`, says: 'before you decide' });
  return command.action((id: string, options: ShowOptions) => show(host, id, options));
}

async function show(host: Host, id: string, options: ShowOptions): Promise<void> {
  const engine = await openEngine(host, options);
  const letter = await engine.letter(id);
  const { screen } = host;
  if (isDocument(options.output)) return screen.raw(await documentText(letter, options.output));
  if (options.output === 'name') return screen.print(letter.id);
  screen.print(letterText(letter, host.clock.now(), screen.columns));
  if (letter.state !== 'Open') return;
  screen.note(`next: signalbox deadletters retry ${id}${engine.again} --reason "…"`);
  screen.note(`      signalbox deadletters drop ${id}${engine.again} --reason "…" --yes`);
}

const words = {
  retry: {
    summary: 'try one again',
    description: 'Does again what was given up. What it had started already is recognised and not started twice.',
    done: 'is tried again',
    example: 'the agent is back',
  },
  drop: {
    summary: 'drop one',
    description: 'Gives one up for good. Asks for --yes, since what it carried is done by nobody then.',
    done: 'is dropped',
    example: 'sent twice',
  },
} as const;

function decideVerb(host: Host, what: 'retry' | 'drop'): Command {
  const { summary, description, example: why } = words[what];
  const command = new Command(what).summary(summary).description(description).argument('<letter>', 'id of the letter');
  withEngine(withReason(command, 'kept with the letter'));
  if (what === 'drop') command.option('--yes', 'really');
  const yes = what === 'drop' ? ' --yes' : '';
  withExamples(command, {
    line: `signalbox deadletters ${what} ${example} -n clinic --reason "${why}"${yes}`,
    says: summary,
  });
  return command.action((id: string, options: DecideOptions) => decide(host, { what, id }, options));
}

async function decide(
  host: Host,
  { what, id }: { readonly what: 'retry' | 'drop'; readonly id: string },
  options: DecideOptions,
): Promise<void> {
  const engine = await openEngine(host, options);
  const { screen } = host;
  if (what === 'drop' && options.yes !== true) {
    screen.print(letterText(await engine.letter(id), host.clock.now(), screen.columns));
    throw new VerbError(
      'CONFIG_INVALID',
      `nothing is dropped without --yes: nobody does what letter ${id} carried then`,
      {
        attempt: `signalbox deadletters drop ${id}${engine.again} --reason "…" --yes`,
      },
    );
  }
  const letter = await engine.decideLetter(id, what, options.reason);
  const sentence = `Letter ${id} ${words[what].done}.`;
  const next = `signalbox deadletters list${engine.again}`;
  await printAnswer(screen, { value: letter, name: letter.id, sentence, next }, options.output);
}
