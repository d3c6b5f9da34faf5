// Owns: the list of verbs and how a command line becomes an exit code.
import { Command, CommanderError } from 'commander';
import { Ended, exitCodes, exitCodeWords, type ExitCode, report } from './failure.ts';
import type { Host } from './host.ts';
import { demoVerb } from './demo/verb.ts';
import { referencePage } from './reference.ts';
import { bundleVerb } from './verbs/bundle.ts';
import { completeVerb } from './verbs/complete.ts';
import { completionVerb } from './verbs/completion.ts';
import { deadLettersVerb } from './verbs/deadletters.ts';
import { decideVerb } from './verbs/decide.ts';
import { downVerb } from './verbs/down.ts';
import { escalationVerb } from './verbs/escalation-show.ts';
import { escalationsVerb } from './verbs/escalations.ts';
import { explainVerb } from './verbs/explain.ts';
import { journalVerb } from './verbs/journal.ts';
import { kubeconfigVerb } from './verbs/kubeconfig.ts';
import { logsVerb } from './verbs/logs.ts';
import { rolloutVerb } from './verbs/rollout.ts';
import { runVerb } from './verbs/run.ts';
import { runsVerb } from './verbs/runs.ts';
import { scheduleVerb } from './verbs/schedule.ts';
import { statusVerb } from './verbs/status.ts';
import { testVerb } from './verbs/test.ts';
import { toolsVerb } from './verbs/tools.ts';
import { traceVerb } from './verbs/trace.ts';
import { upVerb } from './verbs/up.ts';
import { versionVerb } from './verbs/version.ts';

/** A verb adds itself to the program. */
export type Verb = (host: Host) => Command;

const groups: readonly (readonly [string, readonly Verb[]])[] = [
  ['Local control plane:', [upVerb, downVerb, statusVerb, kubeconfigVerb, logsVerb, demoVerb]],
  ['Runs:', [runVerb, runsVerb, traceVerb, scheduleVerb]],
  ['People:', [escalationsVerb, escalationVerb, decideVerb, explainVerb, deadLettersVerb, journalVerb]],
  ['Tools and releases:', [toolsVerb, bundleVerb, testVerb, rolloutVerb]],
  ['Other:', [completionVerb, versionVerb]],
];

export function buildProgram(host: Host): Command {
  const program = new Command('signalbox')
    .description('Runs AI agents under a control plane: start runs, follow every decision, answer escalations.')
    .usage('VERB [options]')
    .helpCommand('help [verb]', 'help for a verb')
    .addHelpText('after', `\nExit codes:\n${exitCodeWords.map(([code, words]) => `  ${code}  ${words}`).join('\n')}`)
    .addHelpText('after', '\nStart here: signalbox up, then signalbox status. Every verb has --help.');
  for (const [heading, verbs] of groups) {
    program.commandsGroup(heading);
    for (const verb of verbs) program.addCommand(verb(host));
  }
  program.addCommand(
    completeVerb(host, () => program),
    { hidden: true },
  );
  const reference = new Command('__reference').action(() => host.screen.raw(referencePage(program)));
  program.addCommand(reference, { hidden: true });
  settle(program, host);
  return program;
}

/** `logs <target>`: the options are on the verb's own page. */
function termOf(command: Command): string {
  const words = command.registeredArguments.map((one) => (one.required ? `<${one.name()}>` : `[${one.name()}]`));
  return [command.name(), ...words].join(' ');
}

/** The same manners for each command, however deep. */
function settle(command: Command, host: Host): void {
  command
    .exitOverride()
    .helpOption('-h, --help', 'help for this verb')
    .configureHelp({ showGlobalOptions: false, subcommandTerm: termOf })
    .configureOutput({
      writeOut: (text) => host.screen.raw(text),
      writeErr: (text) => host.screen.note(text.trimEnd()),
      getOutHelpWidth: () => host.screen.columns,
      getErrHelpWidth: () => host.screen.columns,
      // Said once, by `run`, with what to type next.
      outputError: () => undefined,
    });
  for (const child of command.commands) settle(child, host);
}

/** Runs one command line (without the program's own name); never throws. */
export async function run(host: Host, words: readonly string[]): Promise<ExitCode> {
  const program = buildProgram(host);
  try {
    if (words.length === 0) {
      program.outputHelp();
      return exitCodes.ok;
    }
    await program.parseAsync([...words], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) return usageError(error, host, chosenVerb(program, words));
    if (host.interrupted.aborted && !(error instanceof Ended)) return exitCodes.failed;
    return report(error, host.screen);
  }
}

/** The innermost verb that the words name. */
function chosenVerb(program: Command, words: readonly string[]): Command {
  let verb = program;
  for (const word of words) {
    const child = verb.commands.find((one) => one.name() === word);
    if (child === undefined) break;
    verb = child;
  }
  return verb;
}

/** `signalbox run start`. */
const fullName = (verb: Command): string =>
  verb.parent === null ? verb.name() : `${fullName(verb.parent)} ${verb.name()}`;

function usageError(error: CommanderError, host: Host, verb: Command): ExitCode {
  if (error.exitCode === 0) return exitCodes.ok;
  if (error.code === 'commander.help') return exitCodes.usage;
  const message = error.message.replace(/^error: /, '');
  const guess = /^(?<what>.*?)\s*\(Did you mean (?:one of )?(?<names>.*)\?\)$/s.exec(message)?.groups;
  const path = fullName(verb);
  const next = guess?.['names']?.split(', ').map((name) => `${path} ${name}`) ?? [`${path} --help`];
  const paint = host.screen.paintError;
  host.screen.note(`${paint('red', 'error:')} ${guess?.['what'] ?? message}`);
  host.screen.note(`${paint('cyan', 'try:')} ${next.join(' or ')}`);
  return exitCodes.usage;
}
