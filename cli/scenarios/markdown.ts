// Owns: played suites as Markdown for a comment on a change: the verdict first, then what did not pass, never longer than what a
// comment may be.
import type { ScenarioScore } from '../../core/evaluation/suite.ts';
import { oneLine } from '../output/style.ts';
import type { PlayedSuite } from './play.ts';
import { standingOf, totalLines } from './report.ts';

/** Characters; sites that take comments allow 65,536. */
const lengthMax = 60_000;

export function markdown(suites: readonly PlayedSuite[], again: string): string {
  const text = suites.flatMap((suite) => suiteBlocks(suite, again)).join('\n\n');
  if (text.length <= lengthMax) return `${text}\n`;
  return `${text.slice(0, lengthMax)}\n\n… cut; see the output as JSON.\n`;
}

const titles = { pass: 'passes', fail: 'does not pass', invalid: 'is invalid' } as const;

function suiteBlocks({ name, verdict, findings, totals, scenarios }: PlayedSuite, again: string): readonly string[] {
  const bad = scenarios.filter((one) => standingOf(one) !== 'pass' && one.passed < one.trials + one.errors);
  return [
    `## Suite ${cell(name)} ${titles[verdict]}`,
    ...(findings.length === 0
      ? []
      : [
          findings
            .map(({ rule, found, allowed }) => `- ${rule}: found ${cell(found)}; allowed: ${cell(allowed)}`)
            .join('\n'),
        ]),
    totalLines(totals)
      .map((line) => `- ${line}`)
      .join('\n'),
    ...bad.map((scenario) => badBlock(scenario, again)),
    [
      '| Scenario | Path | Trials | Pass |',
      '| --- | --- | --- | --- |',
      ...scenarios.map(
        ({ name: one, path, trials, errors, passed }) => `| ${cell(one)} | ${path} | ${trials + errors} | ${passed} |`,
      ),
    ].join('\n'),
  ];
}

function badBlock({ name, scores }: ScenarioScore, again: string): string {
  const worst = scores.find(({ verdict }) => verdict === 'fail') ?? scores.find(({ verdict }) => verdict === 'error');
  const lines = (worst?.failures ?? []).map(
    ({ expected, found }) => `- expected ${cell(expected)}; found ${cell(found)}`,
  );
  const trouble = worst?.problem === undefined ? [] : [`- error: ${cell(worst.problem)}`];
  const repeat = `- again: \`${again} --scenario ${name} --trials 1 --seed ${worst?.seed ?? 1}\``;
  return [`### ${cell(name)}`, '', ...lines, ...trouble, repeat].join('\n');
}

/** Text of a model is no markup. */
const cell = (text: string): string => oneLine(text).replaceAll(/[\\`*_{}[\]<>|#]/g, (character) => `\\${character}`);
