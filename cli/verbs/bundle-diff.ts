import { Command } from 'commander';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import { type Change, compareBundles } from '../../core/bundle/compare.ts';
import { diffLines, type Line } from '../../core/bundle/line-diff.ts';
import { riskOf } from '../../core/rollout/risk.ts';
import { build, chosen } from '../bundle/built.ts';
import { readSound, refuse } from '../bundle/report.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { type OutputOptions, withExamples, withOutput } from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import type { Screen } from '../output/screen.ts';
import { printable } from '../output/style.ts';
import { repeated } from './bundle-build.ts';

interface Options extends OutputOptions {
  readonly with: readonly string[];
}

export function bundleDiffVerb(host: Host): Command {
  const command = new Command('diff')
    .summary('what is different between two bundles, and what of it is high-risk')
    .description(
      'Compares the resolved content of two bundles: prompts line by line, models, contracts of tools, permissions, verifier, ' +
        'policy. High-risk is what makes a rollout ask for an approval whatever its strategy says.',
    )
    .argument('<before>', 'file or folder, with #NAME behind it where it declares several bundles')
    .argument('<after>', 'the same, of the other bundle')
    .option('--with <path>', 'file or folder with Tools, Models and Agents of both; may be repeated', repeated, []);
  withOutput(command, ['table', 'json', 'yaml']);
  withExamples(
    command,
    { line: 'signalbox bundle diff manifests#receptionist-v1 manifests#receptionist-v2', says: 'two of one folder' },
    { line: 'signalbox bundle diff v1.yaml v2.yaml --with tools --with models -o json', says: 'for programs' },
  );
  return command.action(async (before: string, after: string, options: Options) => {
    const was = await side(host.screen, before, options.with);
    const is = await side(host.screen, after, options.with);
    const known = was.permissions ?? is.permissions;
    const ceilings = { before: was.permissions ?? known ?? [], after: is.permissions ?? known ?? [] };
    const changes = compareBundles(was.resolved, is.resolved, ceilings);
    const highRisk = riskOf(was.resolved, is.resolved, ceilings);
    if (known === undefined) {
      host.screen.note(
        `no Agent "${is.resolved.agent}" is among the files: permissions are not compared, and no tool counts as able to act`,
      );
    }
    const [from, to] = [was, is].map(({ resolved: { name, digest } }) => ({ name, digest }));
    if (isDocument(options.output)) {
      host.screen.raw(await documentText({ before: from, after: to, changes, highRisk }, options.output));
    } else print(host.screen, [was.resolved, is.resolved], changes, highRisk);
  });
}

interface Side {
  readonly resolved: ResolvedBundle;
  /** Undefined: the files have no Agent of that name. */
  readonly permissions: readonly Permission[] | undefined;
}

async function side(screen: Screen, where: string, more: readonly string[]): Promise<Side> {
  const [path = '', name] = where.split('#', 2);
  const own = await readSound(screen, [...new Set([path, ...more])]);
  const found = chosen(own, name === undefined ? [] : [name]);
  const [only] = found;
  if (only === undefined || found.length > 1) {
    const names = found.map(({ metadata }) => metadata.name).join(', ');
    throw new VerbError('CONFIG_INVALID', `${where} declares ${found.length} bundles: ${names}`, {
      attempt: `${path}#${only?.metadata.name ?? 'NAME'}`,
    });
  }
  const built = build(only, own);
  if (!('resolved' in built)) return refuse(screen, built);
  return { resolved: built.resolved, permissions: own.Agent.get(only.spec.agent)?.spec.permissions };
}

function print(
  screen: Screen,
  [was, is]: readonly [ResolvedBundle, ResolvedBundle],
  changes: readonly Change[],
  highRisk: readonly string[],
): void {
  if (was.digest === is.digest && changes.length === 0) return screen.print(`the same content: ${was.digest}`);
  screen.print(screen.paint('bold', `${was.name} ${was.digest.slice(0, 15)} → ${is.name} ${is.digest.slice(0, 15)}`));
  if (changes.length === 0) screen.print('only the order of tools or rules is another');
  for (const change of changes) {
    const field = printable(`${change.part}.${change.field}`);
    if (change.part === 'prompts') {
      screen.print(`${field}:`);
      for (const one of diffLines(textOf(change.before), textOf(change.after))) screen.print(shown(screen, one));
    } else screen.print(`${field}: ${words(change)}`);
  }
  if (highRisk.length > 0) screen.print(screen.paint('bold', 'high-risk:'));
  for (const fact of highRisk) screen.print(screen.paint('red', `  ${printable(fact)}`));
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function shown({ paint }: Screen, { kind, text }: Line): string {
  const plain = printable(text);
  if (kind === 'same') return `    ${plain}`;
  return kind === 'added' ? paint('green', `  + ${plain}`) : paint('red', `  - ${plain}`);
}

function words(change: Change): string {
  if (!('before' in change)) return `new: ${value(change.after)}`;
  if (!('after' in change)) return `gone: ${value(change.before)}`;
  return `${value(change.before)} → ${value(change.after)}`;
}

const valueMax = 300;
function value(given: unknown): string {
  const text = printable(typeof given === 'string' ? given : JSON.stringify(given));
  return text.length > valueMax ? `${text.slice(0, valueMax)}…` : text;
}
