// Owns: which variables each CEL field may read, and of which types; shells bind exactly these.
import { scriptVariables } from '../agent/script.ts';
import { checkTemplate, compile } from '../cel/cel.ts';
import { type Checked, checkTypes, type Finding as TypeFinding } from '../cel/check.ts';
import { expressionsIn } from '../cel/template.ts';
import { dyn, membersOf, type Type, words } from '../cel/type.ts';
import { type Finding, finding, quote } from './finding.ts';

export const variables = {
  /** Workflow.spec.transitions[].when */
  guard: ['facts', 'input', 'result', 'run'],
  /** Workflow.spec.key */
  key: ['input'],
  /** Workflow.spec.states[].for.by, and `${cel}` in goal and question */
  state: ['facts', 'input', 'run'],
  /** Agent.spec.permissions[].approveWhen */
  approveWhen: ['args', 'facts', 'input', 'run'],
  /** Agent.spec.release: assignBy, include, exclude */
  release: ['input'],
  /** Bundle.spec.verifier.rules[].cel */
  verifier: ['calls', 'facts', 'input', 'result', 'run'],
  /** Model.spec.scripted.replies[]: when, and `${cel}` in text, json and calls[].args */
  scripted: scriptVariables.toSorted(),
} as const satisfies Record<string, readonly string[]>;

/** `Bool`: a condition. `Key`: a text or a number that is compared with a key. */
export type Wanted = 'Bool' | 'Key' | 'Any';

export interface Reading {
  /** The variables with what is known of them. */
  readonly types: Readonly<Record<string, Type>>;
  readonly wanted: Wanted;
}

/** Variables of which nothing is known. */
export const untyped = (names: readonly string[], known: Readonly<Record<string, Type>> = {}): Reading['types'] =>
  Object.fromEntries(names.map((name) => [name, known[name] ?? dyn]));

export function checkExpression(field: string, source: string | undefined, reading: Reading): Finding[] {
  if (source === undefined) return [];
  const names = Object.keys(reading.types);
  const compiled = compile(source, names);
  if (compiled.kind === 'Error') return [celInvalid(field, `${quote(source)}: ${compiled.message}`, names)];
  const checked = checkTypes(source, reading.types);
  return [...typeFindings(field, source, checked), ...unfit(field, source, checked, reading.wanted)];
}

export function checkTemplates(field: string, template: unknown, types: Reading['types']): Finding[] {
  const names = Object.keys(types);
  const problems = checkTemplate(template, names);
  if (problems.length > 0) return problems.map((problem) => celInvalid(field, problem, names));
  return expressionsIn(template).flatMap((source) => typeFindings(field, source, checkTypes(source, types)));
}

function celInvalid(field: string, problem: string, names: readonly string[]): Finding {
  const found = problem.replaceAll(/; allowed are [a-z, A-Z]*/g, '');
  return finding('celInvalid', field, { found, allowed: `CEL over ${names.join(', ')}` });
}

function typeFindings(field: string, source: string, { problems, doubts }: Checked): Finding[] {
  const within = ({ part, found, allowed }: TypeFinding) => ({
    found: `${quote(source)}: ${part === undefined ? '' : `${part}: `}${found}`,
    allowed,
  });
  return [
    ...problems.map((problem) => finding('celMistyped', field, within(problem))),
    ...doubts.map((doubt) => finding('celDoubtful', field, within(doubt), { severity: 'warning' })),
  ];
}

const fitting: Readonly<Record<Wanted, { readonly names: readonly string[]; readonly allowed: string }>> = {
  Bool: { names: ['bool'], allowed: 'an expression that gives true or false' },
  Key: { names: ['string', 'int', 'double'], allowed: 'an expression that gives a text or a number' },
  Any: { names: [], allowed: 'any value' },
};

/** Only what is surely of another type: the rest is seen when it is evaluated. */
function unfit(field: string, source: string, { type, problems }: Checked, wanted: Wanted): Finding[] {
  const { names, allowed } = fitting[wanted];
  const possible = membersOf(type).some(
    (member) => member.kind === 'dyn' || (member.kind === 'scalar' && names.includes(member.name)),
  );
  if (wanted === 'Any' || possible || problems.length > 0) return [];
  return [finding('celMistyped', field, { found: `${quote(source)}, which gives ${words(type)}`, allowed })];
}
