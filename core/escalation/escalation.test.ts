import { describe, expect, test } from 'vitest';
import { actions, type EscalationRule, signals } from '../../api/v1alpha1/escalation-policy.ts';
import { decideEscalation } from './decide.ts';
import { nothingObserved, type Observation } from './observation.ts';
import { evidenceFor } from './signals.ts';
import { summary } from './summary.ts';

const rule = (fields: Partial<EscalationRule> & Pick<EscalationRule, 'signal'>): EscalationRule => ({
  name: fields.signal.toLowerCase(),
  action: 'humanQueue',
  queue: 'desk',
  ...fields,
});
const seen = (fields: Partial<Observation>): Observation => ({ ...nothingObserved, ...fields });
const said = (text: string, source = 'the input'): Observation => seen({ texts: [{ source, text }] });

describe('each signal fires on its evidence and on nothing else', () => {
  const red = rule({ signal: 'redFlag', patterns: ['chest pain', "can't breathe", 'suicid'] });
  const low = rule({ signal: 'lowConfidence', below: '0.6' });
  const conflict = rule({ signal: 'conflictingOutputs', fields: ['patientId', 'visit.date'] });
  test.each<[string, EscalationRule, Observation, boolean]>([
    ['a red flag', red, said('He has chest pain.'), true],
    ['in any case and white space', red, said('CHEST\n\t Pain'), true],
    ['with a curly apostrophe', red, said('I can’t breathe'), true],
    ['as a part of a word', red, said('suicidal thoughts'), true],
    ['other words are no red flag', red, said('my chest is fine, no pain'), false],
    ['confidence below', low, seen({ confidence: { value: 0.59, promised: false } }), true],
    ['confidence at the threshold', low, seen({ confidence: { value: 0.6, promised: false } }), false],
    ['confidence missing though promised', low, seen({ confidence: { promised: true } }), true],
    ['confidence missing and not promised', low, seen({ confidence: { promised: false } }), false],
    ['below the bundle’s own floor', low, seen({ confidence: { value: 0.65, promised: false, floor: 0.7 } }), true],
    ['no result yet', low, nothingObserved, false],
    [
      'tools that disagree',
      conflict,
      seen({
        outputs: [
          { source: 'a', value: { patientId: 'p1' } },
          { source: 'b', value: { patientId: 'p2' } },
        ],
      }),
      true,
    ],
    [
      'a nested field',
      conflict,
      seen({
        outputs: [
          { source: 'a', value: { visit: { date: 1 } } },
          { source: 'b', value: { visit: { date: 2 } } },
        ],
      }),
      true,
    ],
    [
      'tools that agree, or are silent',
      conflict,
      seen({
        outputs: [
          { source: 'a', value: { patientId: 'p1' } },
          { source: 'b', value: { patientId: 'p1', other: 2 } },
          { source: 'c', value: ['p2'] },
        ],
      }),
      false,
    ],
    ['enough failed attempts', rule({ signal: 'repeatedRetries', atLeast: 2 }), seen({ failedAttempts: 2 }), true],
    ['too few', rule({ signal: 'repeatedRetries', atLeast: 2 }), seen({ failedAttempts: 1 }), false],
    ['one is the default', rule({ signal: 'repeatedRetries' }), seen({ failedAttempts: 1 }), true],
    ['slow', rule({ signal: 'abnormalLatency', above: '20s' }), seen({ elapsedMs: 20_000 }), true],
    ['fast', rule({ signal: 'abnormalLatency', above: '20s' }), seen({ elapsedMs: 19_999 }), false],
    ['upset', rule({ signal: 'userFrustration', patterns: ['ridiculous'] }), said('This is RIDICULOUS!'), true],
    [
      'upset once where two are asked for',
      rule({ signal: 'userFrustration', patterns: ['ridiculous'], atLeast: 2 }),
      said('ridiculous'),
      false,
    ],
    ['calm', rule({ signal: 'userFrustration', patterns: ['ridiculous'] }), said('thank you'), false],
    ['spent', rule({ signal: 'budget' }), seen({ budget: { limitMicros: 100, spentMicros: 100 } }), true],
    ['a share', rule({ signal: 'budget', percent: 80 }), seen({ budget: { limitMicros: 100, spentMicros: 80 } }), true],
    ['a rest', rule({ signal: 'budget', percent: 80 }), seen({ budget: { limitMicros: 100, spentMicros: 79 } }), false],
    ['no budget', rule({ signal: 'budget' }), nothingObserved, false],
    ['doubt', rule({ signal: 'ambiguousEffect' }), seen({ ambiguous: ['pay'] }), true],
    ['no doubt', rule({ signal: 'ambiguousEffect' }), nothingObserved, false],
    ['rejected', rule({ signal: 'verifierReject', atLeast: 2 }), seen({ rejections: 2 }), true],
    ['rejected once', rule({ signal: 'verifierReject', atLeast: 2 }), seen({ rejections: 1 }), false],
    ['denied', rule({ signal: 'permissionDenied' }), seen({ denied: ['pay'] }), true],
    ['never denied', rule({ signal: 'permissionDenied' }), nothingObserved, false],
    ['a loop of three by default', rule({ signal: 'loop' }), seen({ repeat: { tool: 'find', times: 3 } }), true],
    ['two are no loop', rule({ signal: 'loop' }), seen({ repeat: { tool: 'find', times: 2 } }), false],
    ['two are one when asked', rule({ signal: 'loop', atLeast: 2 }), seen({ repeat: { tool: 'f', times: 2 } }), true],
  ])('%s', (_, checked, observation, fires) => {
    expect(evidenceFor(checked, observation).length > 0).toBe(fires);
  });

  test('evidence names the source, the words and the pattern', () => {
    expect(evidenceFor(red, said('well, chest pain', 'the caller'))).toEqual([
      'the caller says "well, chest pain" (pattern "chest pain")',
    ]);
  });
});

describe('the first enforced rule decides', () => {
  const rules = [
    rule({ name: 'note', signal: 'loop', atLeast: 1, mode: 'observe' }),
    rule({ name: 'first', signal: 'permissionDenied', action: 'freeze' }),
    rule({ name: 'second', signal: 'repeatedRetries' }),
  ];
  const all = seen({ repeat: { tool: 'f', times: 1 }, denied: ['x'], failedAttempts: 1 });
  const names = (settled: readonly string[]) => {
    const verdict = decideEscalation(rules, all, ({ name }) => settled.includes(name));
    return [verdict.observed.map((firing) => firing.rule.name), verdict.enforced?.rule.name];
  };
  test.each([
    [[], [['note'], 'first']],
    [['first'], [['note'], 'second']],
    [
      ['note', 'first', 'second'],
      [[], undefined],
    ],
  ])('with %j settled', (settled, expected) => {
    expect(names(settled)).toEqual(expected);
  });
});

describe('the summary is one sentence that says what and to whom', () => {
  const queues = [
    { name: 'desk', deadline: '15m', onExpiry: { fallbackWorkflow: 'call-back' } },
    { name: 'emergency', deadline: '1m', onExpiry: { next: 'desk' } },
  ];
  test('of several rules', () => {
    const text = summary({
      rules: [
        rule({ signal: 'redFlag', patterns: ['chest pain', 'suicid'], queue: 'emergency' }),
        rule({ signal: 'lowConfidence', below: '0.6' }),
        rule({ signal: 'repeatedRetries', atLeast: 2, action: 'fallbackWorkflow', workflow: 'call-back' }),
        rule({ signal: 'userFrustration', patterns: ['angry'], mode: 'observe' }),
      ],
      queues,
    });
    expect(text).toBe(
      'The agent hands over to the emergency queue when anyone mentions “chest pain” or “suicid”; hands over to the desk ' +
        'queue when its confidence is below 0.6 or missing; and hands the case to the workflow call-back when an attempt ' +
        'fails twice; it only takes a note when the user says “angry”; a question that nobody answers in desk within 15m ' +
        'goes to the workflow call-back and in emergency within 1m moves to desk.',
    );
  });
  test.each(signals.flatMap((signal) => actions.map((action) => [signal, action] as const)))(
    '%s, %s',
    (signal, action) => {
      const one = rule({
        signal,
        action,
        patterns: ['x'],
        fields: ['y'],
        workflow: 'w',
        agent: 'a',
        above: '1s',
        below: '0.5',
      });
      const text = summary({ rules: [one], queues });
      expect(text).toMatch(/^The agent [^.]+(\.\d[^.]*)?\.$/u);
      expect(text).not.toMatch(/undefined|NaN| {2}/u);
    },
  );
});
