// Owns: what could come next on a command line: verbs, flags, values of flags, and names of things in the cluster.
import type { Argument, Command, Option } from 'commander';

/** Things whose names are looked up. */
export type Noun =
  'workflow' | 'agent' | 'run' | 'escalation' | 'pod' | 'namespace' | 'queue' | 'schedule' | 'letter' | 'rollout';

export interface Candidate {
  readonly text: string;
  readonly says: string;
}

export type Completion =
  | { readonly kind: 'Known'; readonly candidates: readonly Candidate[] }
  | { readonly kind: 'Names'; readonly noun: Noun; readonly command: Command }
  /** A file or something only the user knows. */
  | { readonly kind: 'Free' };

const nounsOfArguments: Readonly<Record<string, Noun>> = {
  workflow: 'workflow',
  agent: 'agent',
  rollout: 'rollout',
  run: 'run',
  escalation: 'escalation',
  target: 'pod',
  schedule: 'schedule',
  letter: 'letter',
};
const nounsOfOptions: Readonly<Record<string, Noun>> = {
  '--workflow': 'workflow',
  '--namespace': 'namespace',
  '--queue': 'queue',
};

/** `words`: everything after the program's name; the last one is being typed and may be empty. */
export function complete(program: Command, words: readonly string[]): Completion {
  const typed = words.at(-1) ?? '';
  const { command, rest } = descend(program, words.slice(0, -1));
  const before = rest.at(-1);
  const pending = before === undefined ? undefined : optionOf(command, before);
  if (pending?.required === true) return valueOf(pending, command, typed);
  if (typed.startsWith('-')) return known(flagsOf(command), typed);
  const verbs = command.commands.filter((child) => !hidden(child));
  if (verbs.length > 0)
    return known(
      verbs.map((child) => ({ text: child.name(), says: child.summary() })),
      typed,
    );
  const argument = command.registeredArguments[positionals(command, rest).length];
  return argument === undefined ? { kind: 'Free' } : valueOfArgument(argument, command, typed);
}

/** The innermost verb the words name, and the words after it. */
function descend(
  program: Command,
  words: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } {
  let command = program;
  let at = 0;
  while (at < words.length) {
    const child = command.commands.find((one) => one.name() === words[at]);
    if (child === undefined) break;
    command = child;
    at += 1;
  }
  return { command, rest: words.slice(at) };
}

const hidden = (command: Command): boolean => command.name().startsWith('_') || command.name() === 'help';

function optionOf(command: Command, word: string): Option | undefined {
  return command.options.find((option) => option.long === word || option.short === word);
}

function positionals(command: Command, rest: readonly string[]): readonly string[] {
  return rest.filter((word, index) => {
    const before = rest[index - 1];
    const isValue = before !== undefined && optionOf(command, before)?.required === true;
    return !isValue && (word === '-' || !word.startsWith('-'));
  });
}

function flagsOf(command: Command): readonly Candidate[] {
  const help = { text: '--help', says: 'help for this verb' };
  return [
    ...command.options
      .filter((option) => !option.hidden)
      .map((option) => ({ text: option.long ?? option.flags, says: option.description })),
    help,
  ];
}

function valueOf(option: Option, command: Command, typed: string): Completion {
  if (option.argChoices !== undefined) return known(plain(option.argChoices), typed);
  const noun = nounsOfOptions[option.long ?? ''];
  return noun === undefined ? { kind: 'Free' } : { kind: 'Names', noun, command };
}

function valueOfArgument(argument: Argument, command: Command, typed: string): Completion {
  if (argument.argChoices !== undefined) return known(plain(argument.argChoices), typed);
  const noun = nounsOfArguments[argument.name()];
  return noun === undefined ? { kind: 'Free' } : { kind: 'Names', noun, command };
}

const plain = (texts: readonly string[]): readonly Candidate[] => texts.map((text) => ({ text, says: '' }));

export function known(candidates: readonly Candidate[], typed: string): Completion {
  return { kind: 'Known', candidates: candidates.filter(({ text }) => text.startsWith(typed)) };
}

/** `text<TAB>says`, a line each: what the scripts read. */
export function candidateLines(candidates: readonly Candidate[]): string {
  return candidates.map(({ text, says }) => `${text}\t${says || text}\n`).join('');
}
