// Owns: the reference page of the command line, made from the verbs themselves: `signalbox __reference`.
import type { Argument, Command, Option } from 'commander';
import { exitCodeWords } from './failure.ts';
import { examples } from './options.ts';

const head = [
  '# The command line',
  '',
  'Written by `signalbox __reference > docs/reference/cli.md` from the verbs themselves: do not edit. A test compares.',
  '',
  'Results go to standard output; progress, hints (`next: …`) and errors (`error: …`, `try: …`) to standard error. Tables fit the',
  'terminal, or 80 columns; `-o wide` shows every column. Colours are used on a terminal only, and not with `NO_COLOR`.',
  '',
];

export function referencePage(program: Command): string {
  const verbs = leaves(program);
  const exits = exitCodeWords.map(([code, words]) => `| ${code} | ${words} |`);
  const links = verbs.map((verb) => `| [\`${path(verb)}\`](#${anchor(path(verb))}) | ${cell(verb.summary())} |`);
  return [
    ...head,
    '| verb | what it does |',
    '| --- | --- |',
    ...links,
    '',
    '## Exit codes',
    '',
    '| code | meaning |',
    '| --- | --- |',
    ...exits,
    '',
    ...verbs.flatMap(section),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

/** Verbs that do something, in the order of `signalbox --help`; hidden ones are left out. */
export function leaves(command: Command): readonly Command[] {
  const children = command.commands.filter((child) => !child.name().startsWith('_') && child.name() !== 'help');
  return children.length === 0 ? [command] : children.flatMap(leaves);
}

const path = (verb: Command): string => (verb.parent === null ? verb.name() : `${path(verb.parent)} ${verb.name()}`);
const anchor = (text: string): string => text.replaceAll(' ', '-');
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function section(verb: Command): readonly string[] {
  const words = verb.registeredArguments.map((one) => (one.required ? `<${one.name()}>` : `[${one.name()}]`));
  return [
    `## ${path(verb)}`,
    '',
    verb.description(),
    '',
    '```sh',
    [path(verb), ...words, '[options]'].join(' '),
    '```',
    '',
    ...rows('argument', verb.registeredArguments.map(argumentRow)),
    ...rows('option', verb.options.map(optionRow)),
    '```sh',
    examples(verb)
      .map(({ line, says }) => `# ${says}\n${line}`)
      .join('\n\n'),
    '```',
    '',
  ];
}

function rows(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`| ${title} | meaning |`, '| --- | --- |', ...lines, ''];
}

function argumentRow(argument: Argument): string {
  const choices = argument.argChoices === undefined ? '' : `; one of ${coded(argument.argChoices)}`;
  return `| \`${argument.name()}\` | ${cell(argument.description)}${choices} |`;
}

function optionRow(option: Option): string {
  const notes = [
    option.mandatory ? 'required' : undefined,
    option.argChoices === undefined ? undefined : `one of ${coded(option.argChoices)}`,
    defaultWords(option),
    option.envVar === undefined ? undefined : `or \`$${option.envVar}\``,
  ].filter((note) => note !== undefined);
  return `| \`${option.flags}\` | ${[cell(option.description), ...notes].join('; ')} |`;
}

function defaultWords(option: Option): string | undefined {
  if (option.defaultValue === undefined || option.negate) return undefined;
  return `default \`${option.defaultValueDescription ?? String(option.defaultValue)}\``;
}

const coded = (choices: readonly string[]): string => choices.map((choice) => `\`${choice}\``).join(', ');
