// Owns: suites as files: documents of kind ScenarioSuite, and of kind Scenario, which belong to the suite of their folder.
import { basename, dirname } from 'node:path';
import type { z } from 'zod';
import { apiVersion } from '../../api/schema.ts';
import { type Scenario, scenarioSpecSchema } from '../../api/v1alpha1/scenario.ts';
import { type ScenarioSuiteSpec, scenarioSuiteSpecSchema } from '../../api/v1alpha1/scenario-suite.ts';
import { mergedWorld } from '../../core/evaluation/world.ts';
import { manifestOf, mistakesIn } from '../bundle/object.ts';
import { filesOf, type Mistake, parseSources, type Path, readText, type Source } from '../bundle/source.ts';

/** A scenario with what its suite shares, and where it stands. */
export interface ReadScenario {
  readonly scenario: Scenario;
  readonly placeOf: (path: Path) => Mistake['place'];
}

export interface Suite {
  readonly name: string;
  readonly spec: ScenarioSuiteSpec;
  readonly scenarios: readonly ReadScenario[];
}

export interface SuitesRead {
  readonly suites: readonly Suite[];
  readonly mistakes: readonly Mistake[];
}

interface Found<Spec> {
  readonly source: Source;
  readonly name: string;
  readonly spec: Spec;
}

const schemas = { ScenarioSuite: scenarioSuiteSpecSchema, Scenario: scenarioSpecSchema } as const;
type SuiteKind = keyof typeof schemas;

const kindOf = (source: Source): SuiteKind | undefined => {
  const { apiVersion: version, kind } = manifestOf(source);
  return version === apiVersion && (kind === 'ScenarioSuite' || kind === 'Scenario') ? kind : undefined;
};

export async function readSuites(paths: readonly string[]): Promise<SuitesRead> {
  const mistakes: Mistake[] = [];
  const found: { ScenarioSuite: Found<ScenarioSuiteSpec>[]; Scenario: Found<z.infer<typeof scenarioSpecSchema>>[] } = {
    ScenarioSuite: [],
    Scenario: [],
  };
  for (const file of new Set((await Promise.all(paths.map(filesOf))).flat())) {
    const read = await parseSources(await readText(file), file);
    const ours = read.sources.filter((source) => kindOf(source) !== undefined);
    if (paths.includes(file) || ours.length > 0) mistakes.push(...read.mistakes);
    for (const source of ours) {
      const kind = kindOf(source) as SuiteKind;
      const wrong = mistakesIn(source, schemas[kind]);
      mistakes.push(...wrong);
      const { metadata, spec } = manifestOf(source);
      if (wrong.length === 0) found[kind].push({ source, name: String(metadata?.name), spec: spec as never });
    }
  }
  const suites = gathered(found.ScenarioSuite, found.Scenario);
  mistakes.push(...suites.flatMap(twice));
  return { suites, mistakes };
}

/** Scenarios of a folder without a suite are a suite with the folder's name. */
function gathered(
  suites: readonly Found<ScenarioSuiteSpec>[],
  scenarios: readonly Found<z.infer<typeof scenarioSpecSchema>>[],
): readonly Suite[] {
  const folderOf = ({ source }: Found<unknown>): string => dirname(source.file);
  const loose = Map.groupBy(scenarios, folderOf);
  const made = suites.map((suite): Suite => {
    const mine =
      suites.find((one) => folderOf(one) === folderOf(suite)) === suite ? loose.get(folderOf(suite)) : undefined;
    if (mine !== undefined) loose.delete(folderOf(suite));
    const inline = (suite.spec.scenarios ?? []).map((scenario, index) => ({
      scenario,
      placeOf: (path: Path) => suite.source.placeOf(['spec', 'scenarios', index, ...path]),
    }));
    return suiteOf(suite.name, suite.spec, [...inline, ...(mine ?? []).map(fromFile)]);
  });
  return [...made, ...[...loose].map(([folder, mine]) => suiteOf(basename(folder), {}, mine.map(fromFile)))];
}

const fromFile = ({ source, name, spec }: Found<z.infer<typeof scenarioSpecSchema>>): ReadScenario => ({
  scenario: { name, ...spec },
  placeOf: (path) => source.placeOf(['spec', ...path]),
});

function suiteOf(name: string, spec: ScenarioSuiteSpec, scenarios: readonly ReadScenario[]): Suite {
  return {
    name,
    spec,
    scenarios: scenarios.map(({ scenario, placeOf }) => ({ scenario: shared(spec, scenario), placeOf })),
  };
}

function shared(suite: ScenarioSuiteSpec, scenario: Scenario): Scenario {
  return {
    ...scenario,
    trials: scenario.trials ?? suite.trials ?? 1,
    limits: { ...suite.limits, ...scenario.limits },
    world: mergedWorld(suite.world, scenario.world),
  };
}

function twice({ name, scenarios }: Suite): readonly Mistake[] {
  const names = scenarios.map(({ scenario }) => scenario.name);
  return scenarios
    .filter(({ scenario }, index) => names.indexOf(scenario.name) !== index)
    .map(({ scenario, placeOf }) => ({
      place: placeOf([]),
      message: `found scenario "${scenario.name}" a second time in suite ${name}; allowed: each name once`,
    }));
}
