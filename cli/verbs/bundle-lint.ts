import { Command } from 'commander';
import type { Said } from '../bundle/built.ts';
import { chosen } from '../bundle/built.ts';
import { lint } from '../bundle/lint.ts';
import { findingLine, readSound } from '../bundle/report.ts';
import { Ended, exitCodes } from '../failure.ts';
import type { Host } from '../host.ts';
import { type OutputOptions, withExamples, withOutput } from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import { repeated } from './bundle-build.ts';

interface Options extends OutputOptions {
  readonly bundle: readonly string[];
}

export function bundleLintVerb(host: Host): Command {
  const command = new Command('lint')
    .summary('what is wrong with bundles, with file and line')
    .description(
      'Checks bundles together with the Agents, Tools, Models, EscalationPolicies and Workflows of the files: prompts that ' +
        'name what the contracts lack, models without a needed capability, rules that can never hold, thresholds out of ' +
        'order, ceilings that are wider than needed. Ends with 2 if there is an error; warnings alone end with 0.',
    )
    .argument('<source...>', 'files and folders with manifests')
    .option('--bundle <name>', 'check only this one; may be repeated (default: all)', repeated, []);
  withOutput(command, ['table', 'json', 'yaml']);
  withExamples(
    command,
    { line: 'signalbox bundle lint manifests', says: 'in CI, before anything is applied' },
    { line: 'signalbox bundle lint manifests -o json', says: 'for programs' },
  );
  return command.action(async (sources: readonly string[], { bundle, output }: Options) => {
    const { screen } = host;
    const declared = await readSound(screen, sources);
    const bundles = chosen(declared, bundle);
    const findings = lint(declared, bundles);
    if (isDocument(output)) screen.raw(await documentText(findings.map(row), output));
    else for (const finding of findings) screen.print(findingLine(finding, screen.paint));
    const errors = findings.filter(({ severity }) => severity === 'error').length;
    const warnings = findings.length - errors;
    screen.note(`${counted(bundles.length, 'bundle')}: ${counted(errors, 'error')}, ${counted(warnings, 'warning')}`);
    if (errors > 0) throw new Ended(exitCodes.usage);
  });
}

const row = ({ kind, name, place, check, severity, field, found, allowed, message }: Said) => ({
  ...place,
  severity,
  check,
  kind,
  name,
  field,
  found,
  allowed,
  message,
});

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
