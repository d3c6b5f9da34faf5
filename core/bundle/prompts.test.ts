import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { mentionsIn } from './mentions.ts';
import { checkPrompts } from './prompts.ts';

const tool = (differing: Partial<ToolSpec> = {}): ToolSpec => ({
  description: 'Finds.',
  http: { url: 'http://x' },
  effect: 'read',
  input: { type: 'object', properties: { phone: { type: 'string' }, name: { type: 'string' } } },
  ...differing,
});
const tools: Readonly<Record<string, ToolSpec>> = {
  'find-patient': tool({
    function: 'lookupPatient',
    output: {
      type: 'object',
      properties: {
        patients: { type: 'array', items: { type: 'object', properties: { patientId: { type: 'string' } } } },
        note: {},
      },
    },
  }),
  'read-visit': tool(),
  search: tool(),
  'cancel-appointment': tool({ effect: 'write' }),
};
const listed = ['find-patient', 'read-visit', 'search'];
function check(text: string, given: readonly string[] = listed) {
  const spec: BundleSpec = {
    agent: 'desk',
    prompts: { executor: { text } },
    models: { start: 'small' },
    tools: [...given],
    verifier: { model: 'judge' },
  };
  const toolOf = (name: string): ToolSpec | undefined => tools[name];
  return checkPrompts(spec, toolOf).map(({ severity, found, at }) => `${severity} ${at?.line}:${at?.column} ${found}`);
}

describe('prose is no reference', () => {
  test.each([
    'Search the records, then find a patient and read the visit. Cancel an appointment only when asked.',
    'A follow-up or re-visit is a check-up, too; be well-mannered, up-to-date and state-of-the-art.',
    'Find-patients-first is our motto; two read-visits a day.',
    'Answer with `book`, `transfer` or `other`; the desk is `emergency`; give `approved` and `reason`.',
    'Mail desk@find-patien.example or see https://x.test/find-patien/1 and docs/find-patien.md.',
    'Use the slot(s) that are free (all of them).',
    'The plan is in `facts.plan`, the wish in `input.wish`, the verdict in `result.approved`.',
    'Der Rückruf-Wunsch und die Ärztin-Patient-Beziehung: nur auf Nachfrage.',
    'Read the visit with read-visit, or `find_patient`, or lookupPatient; `search` is the last resort.',
    'Ask for the e-mail; x-ray is radiology; 24-7; iPhone.',
    'find-patient.Then answer.',
  ])('%s', (text) => {
    expect(check(text)).toEqual([]);
  });
});

describe('what the bundle lacks', () => {
  test.each([
    ['Look with find-pateint.', 'error 1:11 the tool "find-pateint" (did you mean "find-patient"?)'],
    ['One.\n  Two: `find-patien`', 'error 2:9 the tool "find-patien" (did you mean "find-patient"?)'],
    ['lookupPatiend helps', 'error 1:1 the tool "lookupPatiend" (did you mean "lookupPatient"?)'],
    ['Then call cancel-appointment.', 'error 1:11 the tool "cancel-appointment", which spec.tools does not list'],
    ['`cancel-appointment` is there.', 'error 1:2 the tool "cancel-appointment", which spec.tools does not list'],
    [
      'A person does the cancel-appointment.',
      'warning 1:19 the tool "cancel-appointment", which spec.tools does not list',
    ],
    ['Try `transfer_call(desk)`.', 'error 1:6 the tool "transfer_call"'],
    ['`find-patient(phone, birthDate)`', 'error 1:2 the argument "birthDate" of "find-patient"'],
    ['find-patient(phone: …, born=…)', 'error 1:1 the argument "born" of "find-patient"'],
    ['Show `find-patient.patient`.', 'error 1:7 the field "patient" of "find-patient"'],
    ['Take find-patient.patients.id of the first.', 'error 1:6 the field "patients.id" of "find-patient"'],
  ])('%s', (text, expected) => {
    expect(check(text)).toEqual([expected]);
  });
  test('what the contract has is not said', () => {
    expect(
      check('`find-patient(phone)`, find-patient.patients.patientId, `find-patient.note.any`, `find-patient.name`'),
    ).toEqual([]);
    // Nothing describes what read-visit returns.
    expect(check('`read-visit.findings`')).toEqual([]);
  });
  test('nothing is said while a listed tool is not known: what it is called is not known', () => {
    expect(check('Look with find-pateint.', ['find-patient', 'absent'])).toEqual([]);
  });
});

it('a place is where the word stands, in any text', () => {
  const piece = fc.constantFrom('find-patient', '`book`', '`a.b(c)`', ' ', '\n', 'word', '. ', 'ä😀');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join(' ');
      for (const { word, at } of mentionsIn(text)) {
        expect((text.split('\n')[at.line - 1] ?? '').slice(at.column - 1)).toMatch(new RegExp(`^${word}`));
      }
    }),
  );
});
