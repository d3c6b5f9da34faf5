import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Command } from 'commander';
import { testHost } from '../test/support/cli-host.ts';
import { buildProgram } from './program.ts';

const folder = new URL('../docs/how-to/', import.meta.url);
const program = buildProgram(testHost().host);

/** Command lines of `signalbox` in the shell blocks of a page. */
function commandLines(page: string): readonly string[] {
  const text = readFileSync(new URL(page, folder), 'utf8');
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block ?? '');
  return blocks.flatMap((block) => {
    const inner = [...block.matchAll(/[$<]\(signalbox ([^)]*)\)/g)];
    const outer = block.replaceAll(/[$<]\([^)]*\)/g, 'X').matchAll(/signalbox (?!-)([^\n|;)]*)/g);
    return [...inner, ...outer].map(([, words]) => words ?? '');
  });
}

/** What is wrong with the verb and flags of a command line. */
function mistakes(line: string): readonly string[] {
  const words = line.split(/\s+/);
  let verb: Command = program;
  let at = 0;
  for (; at < words.length; at += 1) {
    const child = verb.commands.find((one) => one.name() === words[at]);
    if (child === undefined) break;
    verb = child;
  }
  if (verb.commands.length > 0) return [`no verb "${words[at]}"`];
  return words
    .slice(at)
    .filter((word) => /^--?[a-zA-Z]/.test(word))
    .filter((flag) => !verb.options.some((option) => option.long === flag || option.short === flag))
    .map((flag) => `${verb.name()} has no ${flag}`);
}

describe.each([...readdirSync(folder), '../tour.md'])('%s', (page) => {
  test('names only verbs and flags there are', () => {
    const lines = commandLines(page);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(mistakes(line), line).toEqual([]);
  });
});
