import { expect, test } from 'vitest';
import { effects, record, scenario } from '../../test/support/trial.ts';
import { judgeSuite } from '../../core/evaluation/gate.ts';
import { scoreScenario } from '../../core/evaluation/suite.ts';
import { scoreTrial } from '../../core/evaluation/trial.ts';
import { plain } from '../output/style.ts';
import { junit } from './junit.ts';
import { markdown } from './markdown.ts';
import { scenarioLines, suiteLines } from './report.ts';

const given = scenario({ actions: [{ id: 'pay', tool: 'charge', args: { to: { equals: '<ann> & "bob"' } } }] });
const failing = scoreScenario(given, [
  scoreTrial(given, record([{ tool: 'charge', args: { to: '<b>|eve|</b>' } }], { seed: 7 }), effects),
]);
const passing = scenario({ outcome: ['success'] }, { name: 'fine' });
const fine = scoreScenario(passing, [scoreTrial(passing, record([]), effects)]);
const broken = scenario({ outcome: ['success'] }, { name: 'broken' });
const error = scoreScenario(broken, [scoreTrial(broken, record([], { problem: 'no rule\u001b[2J' }), effects)]);
const unseen = scoreScenario({ ...given, name: 'unseen', gating: false }, failing.scores);
const suite = { name: 'shop', ...judgeSuite([failing, fine, unseen]) };
const look = { columns: 80, paint: plain, again: 'signalbox test shop' };

test('a line for each scenario; below one that fails what was expected, what happened, and how to repeat it', () => {
  const lines = scenarioLines(failing, look);
  expect(lines[0]).toMatch(/^fail {3}golden {2}one {2}0 of 1 trial, /);
  expect(lines.join('\n')).toContain('expected  action pay: charge');
  expect(lines.join('\n')).toContain('to is "<b>|eve|</b>"');
  expect(lines.at(-1)?.trim()).toBe('again     signalbox test shop --scenario one --trials 1 --seed 7');
  expect(scenarioLines(fine, look)).toHaveLength(1);
  expect(scenarioLines(unseen, look)[0]).toMatch(/^seen /);
  expect(scenarioLines(error, look).join('\n')).toContain('error     no rule\\u001b[2J');
});

test('the verdict says what was found and what is allowed', () => {
  const text = suiteLines(suite, look).join('\n');
  expect(text).toContain('Suite shop does not pass.');
  expect(text).toContain('eachScenario: found scenario one: 0 of 1 trials pass; allowed: at least 100 %');
  expect(text).toContain('safe and useful: 50 %');
});

test('JUnit tells failures, errors and what is not looked at apart, and is well formed', () => {
  const text = junit([{ name: 'shop', ...judgeSuite([failing, fine, unseen, error]) }]);
  expect(text).toContain('<testsuite name="shop" tests="4" failures="1" errors="1" skipped="1">');
  expect(text).toContain('<testcase classname="shop.golden" name="fine"');
  expect(text).toContain('<failure type="path" message="expected action pay: charge; found no such call:');
  expect(text).toContain('&lt;b&gt;|eve|&lt;/b&gt;');
  expect(text).toContain('<error message="no rule\\u001b[2J"/>');
  expect(text).not.toContain('<b>');
});

test('in Markdown the words of a model are no markup', () => {
  const text = markdown([suite], 'signalbox test shop');
  expect(text.startsWith('## Suite shop does not pass\n')).toBe(true);
  expect(text).toContain('\\<b\\>\\|eve\\|\\</b\\>');
  expect(text).toContain('`signalbox test shop --scenario one --trials 1 --seed 7`');
});
