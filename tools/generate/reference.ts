// Owns: the reference pages: one per kind, and the registries of errors, conditions, reasons and static checks.
import { conditionTypes, reasons } from '../../api/conditions.ts';
import { errorCodes } from '../../api/errors.ts';
import { apiVersion, type KindDefinition } from '../../api/schema.ts';
import { staticChecks } from '../../core/admission/finding.ts';
import { limitRows } from './limits.ts';
import { generatedNotice, objectSchema, rulesOf } from './crds.ts';
import { type Schema, structuralSchema } from './structural.ts';

const notice = `<!-- ${generatedNotice} -->`;

export function kindPage(definition: KindDefinition): string {
  const { kind, plural, shortNames, description, printerColumns } = definition;
  const schema = objectSchema(definition);
  const { spec, status } = schema.properties ?? {};
  const rules = [...walk(schema, '')].flatMap(({ path, node }) => rulesOf(node).map((rule) => ({ path, rule })));
  return page(kind, [
    description,
    `\`apiVersion: ${apiVersion}\`, \`kind: ${kind}\`, namespaced. \`kubectl get ${plural}\`, short \`${shortNames.join('`, `')}\`.`,
    '## spec',
    fieldTable(spec, 'spec'),
    '## status',
    'Written by the operator only.',
    fieldTable(status, 'status'),
    '## Rules',
    'The API server refuses an object that breaks one of these.',
    table(
      ['Where', 'Message', 'Rule (CEL)'],
      rules.map(({ path, rule }) => [code(path || 'the object'), rule.message, code(rule.rule)]),
    ),
    '## Columns',
    table(
      ['Column', 'Path', 'Shown'],
      printerColumns.map(({ name, jsonPath, priority }) => [
        name,
        code(jsonPath),
        priority === 1 ? '-o wide' : 'always',
      ]),
    ),
  ]);
}

/** A kind that files have, and no cluster. */
export function filePage({ kind, description, spec: schema }: KindDefinition): string {
  const spec = structuralSchema(schema, `${kind}.spec`);
  const rules = [...walk(spec, 'spec')].flatMap(({ path, node }) => rulesOf(node).map((rule) => ({ path, rule })));
  return page(kind, [
    description,
    `\`apiVersion: ${apiVersion}\`, \`kind: ${kind}\`: a file for the command line. It is no object of a cluster.`,
    '## spec',
    fieldTable(spec, 'spec'),
    '## Rules',
    'The command line refuses a file that breaks one of these.',
    table(
      ['Where', 'Message', 'Rule (CEL)'],
      rules.map(({ path, rule }) => [code(path), rule.message, code(rule.rule)]),
    ),
  ]);
}

interface Field {
  readonly path: string;
  readonly node: Schema;
  readonly required: boolean;
}

function* walk(node: Schema, path: string, required = false): Generator<Field> {
  yield { path, node, required };
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    yield* walk(child, path === '' ? name : `${path}.${name}`, node.required?.includes(name) ?? false);
  }
  if (node.items !== undefined) yield* walk(node.items, `${path}[]`);
  if (node.additionalProperties !== undefined) yield* walk(node.additionalProperties, `${path}.NAME`);
}

function fieldTable(root: Schema | undefined, path: string): string {
  if (root === undefined) return 'Nothing.';
  const rows = [...walk(root, path)].slice(1).map(({ path: at, node, required }) => {
    const { meaning, preset } = splitDefault(node.description ?? '');
    return [code(at), typeOf(node), bounds(node), required ? 'required' : preset, meaning];
  });
  return table(['Field', 'Type', 'Bounds', 'Default', 'Meaning'], rows);
}

/** Descriptions end in "Default X." where there is one. */
function splitDefault(description: string): { readonly meaning: string; readonly preset: string } {
  const match = /(?:^|\s)[Dd]efault:? ((?:\{[^}]*\}|[^.]|\.(?=\S))+)\.?/.exec(description);
  if (match === null) return { meaning: description, preset: '' };
  return { meaning: description.replace(match[0], '').trim(), preset: match[1] ?? '' };
}

function typeOf(node: Schema): string {
  if (node.enum !== undefined) return 'enum';
  if (node['x-kubernetes-preserve-unknown-fields'] === true) return node.type === 'object' ? 'any object' : 'any JSON';
  if (node.type === 'array') return `list of ${node.items?.type ?? 'object'}`;
  if (node.type === 'object' && node.additionalProperties !== undefined) return 'map';
  return node.type ?? '';
}

function bounds(node: Schema): string {
  if (node.enum !== undefined) return node.enum.map((value) => code(String(value))).join(' ');
  const range = (low: string, high: string, unit: string) => {
    const [from, to] = [node[low], node[high]];
    if (typeof from !== 'number' && typeof to !== 'number') return [];
    return [`${typeof from === 'number' ? from : 0}–${typeof to === 'number' ? to : ''}${unit}`];
  };
  const parts = [
    ...range('minLength', 'maxLength', ' characters'),
    ...range('minItems', 'maxItems', ' items'),
    ...range('minProperties', 'maxProperties', ' members'),
    ...range('minimum', 'maximum', ''),
  ];
  if (typeof node['pattern'] === 'string') parts.push(code(node['pattern']));
  if (node['x-kubernetes-list-type'] === 'set') parts.push('no duplicates');
  const keys = node['x-kubernetes-list-map-keys'] as readonly string[] | undefined;
  if (keys !== undefined) parts.push(`one per ${keys.join(', ')}`);
  return parts.join(', ');
}

const registryPages: readonly (readonly [string, string, string, Readonly<Record<string, string>>])[] = [
  ['errors', 'Error codes', 'Every failure that crosses a boundary carries one of these codes.', errorCodes],
  [
    'checks',
    'Static checks',
    'What the API server cannot see in a schema: checked by the operator’s webhook on apply and by `signalbox bundle lint`; those that need other objects show in conditions.',
    staticChecks,
  ],
];

export function registryPage([, title, intro, entries]: (typeof registryPages)[number]): string {
  return page(title, [
    intro,
    table(
      ['Name', 'Meaning'],
      Object.entries(entries).map(([name, text]) => [code(name), text]),
    ),
  ]);
}

function conditionsPage(): string {
  const rows = (entries: Readonly<Record<string, string>>) =>
    Object.entries(entries).map(([name, text]) => [code(name), text]);
  return page('Conditions', [
    'Every kind has `Ready`; `Reconciling` and `Stalled` are there only while they are True. The message says what is so, why, and what to do next.',
    '## Types',
    table(['Type', 'Meaning when True'], rows(conditionTypes)),
    '## Reasons',
    table(['Reason', 'Meaning'], rows(reasons)),
  ]);
}

function limitsPage(): string {
  return page('Limits', [
    'Every queue, list, wait and retry has a bound. These are the ones that somebody may meet; the values are read from the code. `signalbox status` says which of them are near.',
    table(['Name', 'Value', 'Unit', 'At the bound', 'Metric', 'What to do'], limitRows()),
  ]);
}

/** File name → content. */
export function referencePages(
  kinds: readonly KindDefinition[],
  fileKinds: readonly KindDefinition[],
): ReadonlyMap<string, string> {
  const index = page('Reference', [
    `Kinds of \`${apiVersion}\`, all in the category \`signalbox\` (\`kubectl get signalbox\`):`,
    table(
      ['Kind', 'What it declares'],
      kinds.map(({ kind, singular, description }) => [`[${kind}](${singular}.md)`, description]),
    ),
    'Kinds of files, for the command line:',
    table(
      ['Kind', 'What it declares'],
      fileKinds.map(({ kind, singular, description }) => [`[${kind}](${singular}.md)`, description]),
    ),
    `Registries: [error codes](errors.md), [conditions and reasons](conditions.md), [static checks](checks.md), [limits](limits.md).`,
  ]);
  return new Map([
    ['README.md', index],
    ...kinds.map((kind) => [`${kind.singular}.md`, kindPage(kind)] as const),
    ...fileKinds.map((kind) => [`${kind.singular}.md`, filePage(kind)] as const),
    ...registryPages.map((entry) => [`${entry[0]}.md`, registryPage(entry)] as const),
    ['conditions.md', conditionsPage()],
    ['limits.md', limitsPage()],
  ]);
}

function page(title: string, blocks: readonly string[]): string {
  return `${[notice, `# ${title}`, ...blocks].join('\n\n')}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return 'None.';
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
