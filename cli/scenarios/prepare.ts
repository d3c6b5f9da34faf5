// Owns: everything that must hold before a trial is played: the files can be read, the objects hang together, the scenarios name
// what exists.
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import { checkedKinds } from '../../core/admission/admission.ts';
import { catalogFor, type Manifests } from '../../core/evaluation/catalog.ts';
import { lintScenario, unscripted } from '../../core/evaluation/lint.ts';
import { type Declaration, type Declared, readDeclared } from '../bundle/declared.ts';
import { fieldOf } from '../bundle/object.ts';
import { admissionSays } from '../bundle/built.ts';
import { refuse } from '../bundle/report.ts';
import type { Mistake } from '../bundle/source.ts';
import { VerbError } from '../failure.ts';
import type { Screen } from '../output/screen.ts';
import { type ReadScenario, readSuites, type Suite } from './read.ts';

export interface Wanted {
  readonly paths: readonly string[];
  readonly manifests?: readonly string[];
  /** Names of Bundles that stand in for those that the Agents name. */
  readonly bundles?: readonly string[];
  /** Names of scenarios; all when absent. */
  readonly scenarios?: readonly string[];
  readonly trials?: number;
  readonly seed?: number;
}

export interface Prepared {
  readonly suites: readonly Suite[];
  readonly manifests: Manifests;
}

/** Says everything that is wrong, each with file and line, and rejects. */
export async function prepare(screen: Screen, wanted: Wanted): Promise<Prepared> {
  const read = await readSuites(wanted.paths);
  refuseAny(screen, read.mistakes);
  const manifests = await readManifests(screen, wanted.manifests ?? wanted.paths, wanted.bundles ?? []);
  const suites = chosen(read.suites, wanted);
  refuseAny(
    screen,
    suites.flatMap(({ scenarios }) => scenarios.flatMap((one) => scenarioMistakes(one, manifests))),
  );
  return { suites, manifests };
}

/** The declared objects, as admission would let them in, with these Bundles instead of those that their Agents name. */
export async function readManifests(
  screen: Screen,
  paths: readonly string[],
  bundles: readonly string[],
): Promise<Manifests> {
  const { declared, mistakes } = await readDeclared(paths);
  refuseAny(screen, [...mistakes, ...objectMistakes(declared)]);
  return withBundles(manifestsOf(declared), bundles);
}

function refuseAny(screen: Screen, mistakes: readonly Mistake[]): void {
  if (mistakes.length > 0) refuse(screen, mistakes);
}

function manifestsOf(declared: Declared): Manifests {
  const specs = <Spec>(named: ReadonlyMap<string, Declaration<Spec>>): Readonly<Record<string, Spec>> =>
    Object.fromEntries([...named].map(([name, { spec }]) => [name, spec]));
  return {
    agents: specs(declared.Agent),
    bundles: specs(declared.Bundle),
    tools: specs(declared.Tool),
    models: specs(declared.Model),
    policies: specs(declared.EscalationPolicy),
    workflows: specs(declared.Workflow),
  };
}

function withBundles(manifests: Manifests, names: readonly string[]): Manifests {
  const agents: Record<string, AgentSpec> = { ...manifests.agents };
  for (const name of names) {
    const bundle: BundleSpec | undefined = manifests.bundles[name];
    const agent = bundle === undefined ? undefined : agents[bundle.agent];
    if (bundle === undefined || agent === undefined) {
      const there = Object.keys(manifests.bundles).join(', ') || 'none';
      throw new VerbError('INVALID_INPUT', `--bundle: found "${name}"; allowed: a Bundle of the manifests: ${there}`);
    }
    agents[bundle.agent] = { ...agent, bundleRef: { name } };
  }
  return { ...manifests, agents };
}

/** What admission would say of the objects, and of what they name. */
const objectMistakes = (declared: Declared): readonly Mistake[] =>
  checkedKinds.flatMap((kind) =>
    [...declared[kind].keys()].flatMap((name) =>
      admissionSays(declared, kind, name).filter(({ severity }) => severity === 'error'),
    ),
  );

function chosen(suites: readonly Suite[], { scenarios, trials, seed, paths }: Wanted): readonly Suite[] {
  const known = suites.flatMap((suite) => suite.scenarios.map(({ scenario }) => scenario.name));
  const missing = scenarios?.find((name) => !known.includes(name));
  if (missing !== undefined) {
    throw new VerbError('INVALID_INPUT', `--scenario: found "${missing}"; allowed: ${known.join(', ') || 'none'}`);
  }
  const found = suites
    .map((suite) => ({
      ...suite,
      scenarios: suite.scenarios
        .filter(({ scenario }) => scenarios?.includes(scenario.name) ?? true)
        .map((one) => ({
          ...one,
          scenario: {
            ...one.scenario,
            ...(trials === undefined ? {} : { trials }),
            ...(seed === undefined ? {} : { seed }),
          },
        })),
    }))
    .filter((suite) => suite.scenarios.length > 0);
  if (found.length > 0) return found;
  throw new VerbError(
    'INVALID_INPUT',
    `${paths.join(', ')}: found no scenario; allowed: documents of kind ScenarioSuite or Scenario`,
  );
}

function scenarioMistakes({ scenario, placeOf }: ReadScenario, manifests: Manifests): readonly Mistake[] {
  const found = lintScenario(scenario, manifests).map(({ path, message }) => ({
    place: placeOf(path),
    message: `scenario ${scenario.name}, ${fieldOf(path)}: ${message}`,
  }));
  if (found.length > 0) return found;
  const { agents } = catalogFor(manifests, '', scenario.workflow);
  return unscripted(
    scenario,
    manifests,
    agents.map(({ name }) => name),
  ).map((model) => ({
    place: placeOf(['models']),
    message: `scenario ${scenario.name}: Model ${model} is an endpoint, and no endpoint is asked here; allowed: replies for it in models`,
  }));
}
