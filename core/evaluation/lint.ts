// Owns: what is wrong with a scenario that its schema cannot see: names that do not exist, expressions that do not compile.
import type { Scenario, ToolRule } from '../../api/v1alpha1/scenario.ts';
import type { Matcher } from '../../api/v1alpha1/scenario-expectation.ts';
import { scriptVariables } from '../agent/script.ts';
import { checkTemplate, compile } from '../cel/cel.ts';
import { bundleOf, type Manifests } from './catalog.ts';
import { expression } from './match.ts';
import { toolRuleVariables } from './world.ts';

export type ScenarioPlace = readonly (string | number)[];

export interface ScenarioFinding {
  /** In the scenario. */
  readonly path: ScenarioPlace;
  readonly message: string;
}

/** `scenario`: merged with its suite. */
export function lintScenario(scenario: Scenario, manifests: Manifests): readonly ScenarioFinding[] {
  return [
    ...unknown(['workflow'], 'Workflow', scenario.workflow, manifests.workflows),
    ...lintTools(scenario, manifests),
    ...lintModels(scenario, manifests),
    ...lintActions(scenario),
    ...(scenario.world?.tools ?? []).flatMap((rule, index) => lintRule(rule, ['world', 'tools', index])),
    ...matchersOf(scenario).flatMap(({ path, matcher }) => lintMatcher(matcher, path)),
  ];
}

const finding = (path: ScenarioPlace, message: string): ScenarioFinding => ({ path, message });

function unknown(
  path: ScenarioPlace,
  kind: string,
  name: string | undefined,
  there: Readonly<Record<string, unknown>>,
): readonly ScenarioFinding[] {
  if (name === undefined || Object.hasOwn(there, name)) return [];
  const names = Object.keys(there);
  const some = names.length > 12 ? `${names.slice(0, 12).join(', ')}, …` : names.join(', ');
  return [finding(path, `found ${kind} "${name}", which the manifests do not declare; allowed: ${some || 'none'}`)];
}

function lintTools({ expect, faults = [], world, people = [] }: Scenario, { tools }: Manifests) {
  const named: (readonly [ScenarioPlace, string | undefined])[] = [
    ...(expect.actions ?? []).map(({ tool }, index) => [['expect', 'actions', index, 'tool'], tool] as const),
    ...(expect.forbidden ?? []).map(({ tool }, index) => [['expect', 'forbidden', index, 'tool'], tool] as const),
    ...faults.map(({ tool }, index) => [['faults', index, 'tool'], tool] as const),
    ...(world?.tools ?? []).map(({ tool }, index) => [['world', 'tools', index, 'tool'], tool] as const),
    ...people.map(({ tool }, index) => [['people', index, 'tool'], tool] as const),
  ];
  return named.flatMap(([path, name]) => unknown(path, 'Tool', name, tools));
}

function lintModels({ models = [], faults = [] }: Scenario, manifests: Manifests): readonly ScenarioFinding[] {
  return [
    ...models.flatMap(({ model }, index) => unknown(['models', index, 'model'], 'Model', model, manifests.models)),
    ...faults.flatMap(({ model }, index) => unknown(['faults', index, 'model'], 'Model', model, manifests.models)),
    ...models.flatMap(({ replies }, index) =>
      replies.flatMap((reply, position) => [
        ...lintCel(reply.when, scriptVariables, ['models', index, 'replies', position, 'when']),
        ...lintTemplate([reply.text, reply.json, reply.calls], scriptVariables, ['models', index, 'replies', position]),
      ]),
    ),
  ];
}

/** Models that the agents of a catalog ask, which are endpoints and have no script: nothing would answer. */
export function unscripted(scenario: Scenario, manifests: Manifests, agents: readonly string[]): readonly string[] {
  const asked = agents.flatMap((agent) => Object.keys(bundleOf(manifests, '', agent)?.models ?? {}));
  const scripts = new Set((scenario.models ?? []).map(({ model }) => model));
  return [...new Set(asked)].filter((name) => manifests.models[name]?.scripted === undefined && !scripts.has(name));
}

function lintActions({ expect }: Scenario): readonly ScenarioFinding[] {
  const ids = (expect.actions ?? []).map(({ id }) => id);
  const known = new Set(ids);
  const named: (readonly [ScenarioPlace, readonly string[] | undefined])[] = [
    ...(expect.actions ?? []).map(({ after }, index) => [['expect', 'actions', index, 'after'], after] as const),
    [['expect', 'escalation', 'before'], expect.escalation?.before],
  ];
  const twice = ids.findIndex((id, index) => ids.indexOf(id) !== index);
  return [
    ...(twice < 0 ? [] : [finding(['expect', 'actions', twice, 'id'], `found id "${ids[twice]}" a second time`)]),
    ...named.flatMap(([path, list = []]) =>
      list
        .filter((id) => !known.has(id))
        .map((id) =>
          finding(path, `found "${id}"; allowed: ids of expect.actions: ${ids.join(', ') || 'there are none'}`),
        ),
    ),
    ...circles(expect.actions ?? []),
  ];
}

function circles(actions: NonNullable<Scenario['expect']['actions']>): readonly ScenarioFinding[] {
  const after = new Map(actions.map((action) => [action.id, action.after ?? []]));
  const reaches = (from: string, to: string, seen: Set<string>): boolean =>
    (after.get(from) ?? []).some((id) => id === to || (!seen.has(id) && reaches(id, to, seen.add(id))));
  const index = actions.findIndex(({ id }) => reaches(id, id, new Set()));
  const action = actions[index];
  if (action === undefined) return [];
  return [finding(['expect', 'actions', index, 'after'], `found a circle: action "${action.id}" comes after itself`)];
}

function lintRule(rule: ToolRule, path: ScenarioPlace): readonly ScenarioFinding[] {
  const { when, set = [], remove = [], returns, refuse } = rule;
  return [
    ...lintCel(when, toolRuleVariables, [...path, 'when']),
    ...lintTemplate([set, remove], toolRuleVariables, [...path, 'set']),
    ...lintTemplate([returns, refuse?.message], toolRuleVariables, [
      ...path,
      returns === undefined ? 'refuse' : 'returns',
    ]),
  ];
}

function lintCel(source: string | undefined, variables: readonly string[], path: ScenarioPlace) {
  const compiled = source === undefined ? undefined : compile(source, variables);
  return compiled?.kind === 'Error' ? [finding(path, compiled.message)] : [];
}

const lintTemplate = (template: unknown, variables: readonly string[], path: ScenarioPlace) =>
  checkTemplate(template, variables).map((message) => finding(path, message));

function matchersOf({ expect }: Scenario): readonly { readonly path: ScenarioPlace; readonly matcher: Matcher }[] {
  const ofArgs = (list: 'actions' | 'forbidden') =>
    (expect[list] ?? []).flatMap(({ args = {} }, index) =>
      Object.entries(args).map(([name, matcher]) => ({ path: ['expect', list, index, 'args', name], matcher })),
    );
  const ofPlaces = (list: 'world' | 'output') =>
    (expect[list] ?? []).map((matcher, index) => ({ path: ['expect', list, index], matcher }));
  return [...ofArgs('actions'), ...ofArgs('forbidden'), ...ofPlaces('world'), ...ofPlaces('output')];
}

function lintMatcher({ matches }: Matcher, path: ScenarioPlace): readonly ScenarioFinding[] {
  if (matches === undefined || expression(matches) !== undefined) return [];
  return [finding([...path, 'matches'], `found ${matches}, which is no regular expression`)];
}
