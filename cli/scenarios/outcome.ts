// Owns: played suites as one document for programs, with what they were played with: two of them can be compared only when those
// are the same.
import { digest } from '../../core/canonical/canonical.ts';
import { bundleOf, type Manifests } from '../../core/evaluation/catalog.ts';
import { scorerVersion } from '../../core/evaluation/trial.ts';
import type { PlayedSuite } from './play.ts';
import type { Prepared } from './prepare.ts';

export interface Outcome {
  readonly version: 1;
  readonly scorer: number;
  /** Digest of all scenarios, with their trials and seeds. */
  readonly scenarios: string;
  /** Agent → digest of the bundle. */
  readonly bundles: Readonly<Record<string, string>>;
  readonly suites: readonly PlayedSuite[];
}

export function outcomeOf({ suites, manifests }: Prepared, played: readonly PlayedSuite[]): Outcome {
  return {
    version: 1,
    scorer: scorerVersion,
    scenarios: digest(
      suites.map(({ name, spec: { gate }, scenarios }) => ({
        name,
        ...(gate === undefined ? {} : { gate }),
        scenarios: scenarios.map(({ scenario }) => scenario),
      })),
    ),
    bundles: bundlesOf(manifests),
    suites: played,
  };
}

function bundlesOf(manifests: Manifests): Readonly<Record<string, string>> {
  const pairs = Object.keys(manifests.agents).flatMap((agent) => {
    const bundle = bundleOf(manifests, '', agent);
    return bundle === undefined ? [] : [[agent, bundle.digest] as const];
  });
  return Object.fromEntries(pairs);
}
