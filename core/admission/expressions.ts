// Owns: which variables each CEL field may read; shells bind exactly these.
import { scriptVariables } from '../agent/script.ts';
import { checkTemplate, compile } from '../cel/cel.ts';
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
  /** Bundle.spec.verifier.rules[].cel */
  verifier: ['calls', 'facts', 'input', 'result', 'run'],
  /** Model.spec.scripted.replies[]: when, and `${cel}` in text, json and calls[].args */
  scripted: scriptVariables.toSorted(),
} as const satisfies Record<string, readonly string[]>;

export function checkExpression(field: string, source: string | undefined, names: readonly string[]): Finding[] {
  if (source === undefined) return [];
  const compiled = compile(source, names);
  if (compiled.kind === 'Program') return [];
  return [celInvalid(field, `${quote(source)}: ${compiled.message}`, names)];
}

export function checkTemplates(field: string, template: unknown, names: readonly string[]): Finding[] {
  return checkTemplate(template, names).map((problem) => celInvalid(field, problem, names));
}

function celInvalid(field: string, problem: string, names: readonly string[]): Finding {
  const found = problem.replaceAll(/; allowed are [a-z, A-Z]*/g, '');
  return finding('celInvalid', field, { found, allowed: `CEL over ${names.join(', ')}` });
}
