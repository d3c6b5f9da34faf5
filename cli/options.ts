// Owns: the options that verbs share, with one spelling and one meaning each.
import { Command, InvalidArgumentError, Option } from 'commander';
import { VerbError } from './failure.ts';
import { answerFormats } from './output/answer.ts';
import { type Format, formats } from './output/document.ts';
import { parseSpan } from './output/quantity.ts';

/** How a cluster is reached. */
export interface ClusterOptions {
  readonly namespace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Local instance. */
  readonly name?: string;
  /** Instead of the kubeconfig's credentials. */
  readonly token?: string;
  /** Milliseconds. */
  readonly requestTimeout: number;
}

/** The flags that lead to the same place again: for hints of what to type next. */
export function again(options: ClusterOptions, namespace: string): string {
  const given = [
    ['-n', namespace],
    ['--name', options.name],
    ['--kubeconfig', options.kubeconfig],
    ['--context', options.context],
  ];
  return given.flatMap(([flag, value]) => (value === undefined ? [] : [` ${flag} ${value}`])).join('');
}

/** How the engine is reached. */
export interface EngineOptions extends ClusterOptions {
  readonly server?: string;
}

export interface OutputOptions {
  readonly output: Format;
}

export interface ReasonOptions extends OutputOptions {
  readonly reason: string;
}

export interface WatchOptions extends OutputOptions {
  readonly watch?: true;
}

export function spanArgument(text: string): number {
  const ms = parseSpan(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be a duration such as 500ms, 10s, 5m or 1h30m.');
  return ms;
}

export function countArgument(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, 0 or more.');
  return Number(text);
}

export function positiveArgument(text: string): number {
  const count = countArgument(text);
  if (count === 0) throw new InvalidArgumentError('It must be a whole number, 1 or more.');
  return count;
}

export function withCluster(command: Command): Command {
  return command
    .option('-n, --namespace <namespace>', "namespace; default: the one of the kubeconfig's context, else default")
    .option('--kubeconfig <file>', 'kubeconfig; default: $KUBECONFIG, else the local instance, else ~/.kube/config')
    .option('--context <context>', 'context of the kubeconfig')
    .option('--name <instance>', 'local instance to use')
    .option('--token <token>', "bearer token to use instead of the kubeconfig's credentials; or $SIGNALBOX_TOKEN")
    .addOption(
      new Option('--request-timeout <duration>', 'how long one request may take')
        .argParser(spanArgument)
        .default(30_000, '30s'),
    );
}

export function withEngine(command: Command): Command {
  return withCluster(command).addOption(
    new Option('--server <url>', 'base URL of the engine; default: found through the cluster').env('SIGNALBOX_SERVER'),
  );
}

export function withInstance(command: Command): Command {
  return command
    .option('--name <instance>', 'name of the instance; several live side by side (default: "default")')
    .option('--state-dir <folder>', 'where its state is; default: $XDG_STATE_HOME/signalbox/NAME');
}

export function withOutput(command: Command, allowed: readonly Format[] = formats): Command {
  return command.addOption(new Option('-o, --output <format>', 'output').choices([...allowed]).default('table'));
}

export function withWatch(command: Command): Command {
  return command.option('-w, --watch', 'go on and show changes as they come, until Ctrl-C');
}

/** Why somebody does it, and how the answer is shown. `kept`: what becomes of the reason. */
export function withReason(command: Command, kept: string): Command {
  return withOutput(command.requiredOption('--reason <text>', `why; ${kept}`, reasonArgument), answerFormats);
}

function reasonArgument(text: string): string {
  if (text.trim() === '') throw new VerbError('CONFIG_INVALID', '--reason must say why, found an empty text');
  return text;
}

export interface Example {
  readonly line: string;
  readonly says: string;
}

/** Attached to commands: read by help, reference and completion. */
const examplesOf = new WeakMap<Command, readonly Example[]>();

export function withExamples(command: Command, ...examples: readonly Example[]): Command {
  examplesOf.set(command, examples);
  const lines = examples.map(({ line, says }) => `  # ${says}\n  ${line}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n\n')}`);
}

export function examples(command: Command): readonly Example[] {
  return examplesOf.get(command) ?? [];
}
