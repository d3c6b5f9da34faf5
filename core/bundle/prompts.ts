// Owns: whether prompts speak of what the bundle has: its tools, by name or function, and the fields of their contracts.
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { type Finding, finding, quote, quoteAll } from '../admission/finding.ts';
import { edits, nearest } from '../cel/suggest.ts';
import { type Mention, mentionsIn } from './mentions.ts';

/** Tools of a namespace, or of the files that are read. */
export type ToolOf = (name: string) => ToolSpec | undefined;

const roles = ['planner', 'executor', 'verifier'] as const;

/** Words that the runtime gives a prompt beside its tools: what stands behind them is no field of a tool. */
const given: ReadonlySet<string> = new Set(['args', 'calls', 'facts', 'goal', 'input', 'result', 'run', 'state']);
/** A name of fewer letters is too easily another word. */
const slipLengthMin = 6;
/** Two letters apart is a slip in a long name, and another word in a short one. */
const slipOfTwoMin = 12;

/** Nothing while a listed tool is not known: what it is called is not known either. */
export function checkPrompts({ prompts, tools }: BundleSpec, toolOf: ToolOf): readonly Finding[] {
  const listed = tools.map((name) => ({ name, spec: toolOf(name) }));
  if (listed.some(({ spec }) => spec === undefined)) return [];
  const known = listed.flatMap(({ name, spec }) => [
    { name, spec },
    ...(spec?.function === undefined ? [] : [{ name: spec.function, spec }]),
  ]);
  return roles.flatMap((role) => {
    const text = prompts[role]?.text;
    if (text === undefined) return [];
    const field = `spec.prompts.${role}.text`;
    return mentionsIn(text).flatMap((mention) => checkMention({ field, mention, known, toolOf }));
  });
}

interface Known {
  readonly name: string;
  readonly spec: ToolSpec | undefined;
}
interface Asked {
  readonly field: string;
  readonly mention: Mention;
  readonly known: readonly Known[];
  readonly toolOf: ToolOf;
}

function checkMention(asked: Asked): readonly Finding[] {
  const { mention, known, toolOf } = asked;
  if (given.has(mention.word)) return [];
  const tool = known.find(({ name }) => plain(name) === plain(mention.word));
  if (tool?.spec !== undefined) return checkFields(asked, tool.spec);
  const sure = mention.quoted || mention.asked || mention.args !== undefined;
  if (toolOf(mention.word) !== undefined) return [toolUnlisted(asked, sure ? 'error' : 'warning')];
  const meant = slipOf(mention, known);
  if (meant !== undefined) return [toolUnknown(asked, ` (did you mean ${quote(meant)}?)`)];
  return mention.quoted && mention.args !== undefined ? [toolUnknown(asked)] : [];
}

/** `find_patient` is what people write for `find-patient`. */
const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, '');

function slipOf({ word, quoted, fields }: Mention, known: readonly Known[]): string | undefined {
  if (word.length < slipLengthMin || (quoted && fields.length > 0 && !/[-_]/.test(word))) return undefined;
  const names = known.map(({ name }) => name).filter((name) => name.length >= slipLengthMin);
  const meant = nearest(word, names);
  if (meant === undefined || new RegExp(`^${meant}e?s$`, 'i').test(word)) return undefined;
  return edits(word.toLowerCase(), meant.toLowerCase()) === 1 || word.length >= slipOfTwoMin ? meant : undefined;
}

function toolUnknown({ field, mention, known }: Asked, guess = ''): Finding {
  const what = { found: `the tool ${quote(mention.word)}${guess}`, allowed: allowedTools(known) };
  return { ...finding('promptToolUnknown', field, what), at: mention.at };
}

function toolUnlisted({ field, mention, known }: Asked, severity: Finding['severity']): Finding {
  const found = `the tool ${quote(mention.word)}, which spec.tools does not list`;
  return {
    ...finding('promptToolUnknown', field, { found, allowed: allowedTools(known) }, { severity }),
    at: mention.at,
  };
}

const allowedTools = (known: readonly Known[]): string =>
  `the tools of this bundle: ${quoteAll([...new Set(known.map(({ name }) => name))])}`;

function checkFields({ field, mention }: Asked, spec: ToolSpec): readonly Finding[] {
  const { word, fields, args = [], at } = mention;
  const names = membersOf(spec.input);
  const unknown = args.filter((argument) => !names.includes(argument));
  const wrongPath = fields.length > 0 && !leads(spec.input, fields) && !mayLead(spec.output, fields);
  const found = [
    ...unknown.map((argument) => `the argument ${quote(argument)} of ${quote(word)}`),
    ...(wrongPath ? [`the field ${quote(fields.join('.'))} of ${quote(word)}`] : []),
  ];
  const results = membersOf(spec.output);
  const allowed = `arguments: ${quoteAll(names)}${results.length === 0 ? '' : `; fields of its result: ${quoteAll(results)}`}`;
  return found.map((one) => ({ ...finding('promptFieldUnknown', field, { found: one, allowed }), at }));
}

interface Schema {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly items?: unknown;
}
const schemaOf = (schema: unknown): Schema => (typeof schema === 'object' && schema !== null ? schema : {});
const membersOf = (schema: unknown): readonly string[] => Object.keys(schemaOf(schema).properties ?? {});

/** Whether the schema names the field. Below what it does not describe, anything may be. */
function leads(schema: unknown, [first, ...rest]: readonly string[]): boolean {
  if (first === undefined) return true;
  const { properties, items } = schemaOf(schema);
  if (properties === undefined) return items === undefined ? false : leads(items, [first, ...rest]);
  if (!Object.hasOwn(properties, first)) return false;
  const next = schemaOf(properties[first]);
  return next.properties === undefined && next.items === undefined ? true : leads(next, rest);
}

/** A result that no schema describes may have any field. */
const mayLead = (schema: unknown, path: readonly string[]): boolean =>
  schema === undefined ||
  (schemaOf(schema).properties === undefined && schemaOf(schema).items === undefined) ||
  leads(schema, path);
