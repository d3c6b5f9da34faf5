// Owns: played suites as JUnit: a testcase for each scenario. A failure of the agent is a failure, one of the harness an error, a
// scenario that does not gate is skipped where it fails.
import type { ScenarioScore } from '../../core/evaluation/suite.ts';
import type { TrialScore } from '../../core/evaluation/trial.ts';
import { printable } from '../output/style.ts';
import type { PlayedSuite } from './play.ts';

export function junit(suites: readonly PlayedSuite[]): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    ...suites.flatMap(testsuite),
    '</testsuites>',
    '',
  ].join('\n');
}

function testsuite({ name, scenarios, totals }: PlayedSuite): readonly string[] {
  const failures = scenarios.filter((one) => one.gating && one.errors === 0 && one.passed < one.trials).length;
  const errors = scenarios.filter((one) => one.gating && one.errors > 0).length;
  const skipped = scenarios.filter((one) => !one.gating && one.passed < one.trials).length;
  return [
    `  <testsuite${attributes({ name, tests: scenarios.length, failures, errors, skipped })}>`,
    '    <properties>',
    property('safeUsefulness', String(totals.safeUsefulness.share ?? '')),
    property('costMicros', String(totals.costMicros)),
    '    </properties>',
    ...scenarios.flatMap((scenario) => testcase(name, scenario)),
    '  </testsuite>',
  ];
}

function testcase(suite: string, scenario: ScenarioScore): readonly string[] {
  const { name, path, scores, gating } = scenario;
  const seconds = scores.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0) / 1_000;
  const failed = scores.find(({ verdict }) => verdict === 'fail');
  const broken = scores.find(({ verdict }) => verdict === 'error');
  return [
    `    <testcase${attributes({ classname: `${suite}.${path}`, name, time: seconds.toFixed(3) })}>`,
    ...(failed === undefined ? [] : gating ? [failure(failed)] : ['      <skipped message="it does not gate"/>']),
    ...(broken === undefined ? [] : [`      <error${attributes({ message: broken.problem ?? '' })}/>`]),
    '    </testcase>',
  ];
}

function failure({ failures, trial, seed }: TrialScore): string {
  const [first] = failures;
  const text = failures.map(({ kind, expected, found }) => `${kind}: expected ${expected}; found ${found}`).join('\n');
  const message = first === undefined ? '' : `expected ${first.expected}; found ${first.found}`;
  return `      <failure${attributes({ type: first?.kind ?? '', message })}>${escaped(`trial ${trial}, seed ${seed}\n${text}`)}</failure>`;
}

const property = (name: string, value: string): string => `      <property${attributes({ name, value })}/>`;

const attributes = (members: Readonly<Record<string, string | number>>): string =>
  Object.entries(members)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
};

/** Control characters are no XML, and nobody wants them. */
const escaped = (text: string): string =>
  printable(text).replaceAll(/[&<>"\n]/g, (character) => entities[character] ?? '');
