// Owns: a rollout, in some worlds: an operator that routes, raises, aborts, and sees what every partition goes by; and runs of few
// keys that start meanwhile, some of one key at the same moment in two partitions.
import type { AgentSnapshot, ResolvedBundle, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { StartRequest } from '../../api/messages/asks.ts';
import { buckets, catalogKeys } from '../../api/messages/subjects.ts';
import { type VersionReport, versionReportKey } from '../../api/messages/versions.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { runIdFor } from '../../core/workflow/partition.ts';
import { bundles, namespace, workflows } from './definitions.ts';
import type { Network } from './network.ts';
import type { Planned, See } from './people.ts';

/** One world in so many has a rollout, by its seed alone, so that all others are what they were. */
const everyWorld = 25;
export const hasRollout = (seed: number): boolean => seed % everyWorld === 7;

const agent = 'trier';
const uid = 'trial-1';
const bundleOf = (name: string): ResolvedBundle =>
  ({ ...bundles['expert'], name, agent, digest: digest({ agent, name }) }) as ResolvedBundle;
const [before, canary] = [bundleOf('trier-1'), bundleOf('trier-2')];

/** Needs the trier and gives it nothing to do. */
const pause = workflows['pause'] as ResolvedWorkflow;
const { triggers: _triggers, key: _key, ...spec } = pause.spec;
const trial: ResolvedWorkflow = { ...pause, name: 'trial', digest: digest('trial'), spec, agents: [agent] };

const snapshot = (weightBps: number): AgentSnapshot => ({
  namespace,
  name: agent,
  role: 'Works.',
  generation: 1,
  permissions: [],
  bundle: before.name,
  bundleDigest: before.digest,
  rollout: {
    name: uid,
    uid,
    salt: uid,
    assignBy: 'input.id',
    weightBps,
    canary: { bundle: canary.name, digest: canary.digest },
  },
});

/** What the catalog has beside the other agents. */
const entries: readonly (readonly [string, unknown])[] = [
  ...[before, canary].map((bundle) => [catalogKeys.bundle(bundle.digest), bundle] as const),
  [catalogKeys.workflow(namespace, trial.name), trial],
  [catalogKeys.workflowAt(trial.digest), trial],
];

const lookMs = 150;
/** Engines settle after the last fault: who takes over now may still write. */
export const settleMs = 15_000;

export interface Starts {
  readonly see: See;
  readonly start: (afterMs: number, plan: Planned, input: StartRequest['input']) => void;
}

export class Rollout {
  readonly #network: Network;
  readonly #starts: Starts;
  #runs = 0;

  constructor(network: Network, starts: Starts) {
    this.#network = network;
    this.#starts = starts;
    for (const [key, value] of entries) network.write(buckets.catalog, key, value);
    this.#route(5_000);
  }

  begin(withinMs: number): void {
    const { choices, jitter } = this.#network.world;
    const keys = 12 + choices.below(16, 'keys');
    for (let key = 0; key < keys; key += 1) {
      const at = 500 + jitter.below(withinMs - 2_500);
      const runs = 1 + choices.below(3, 'runs of a key');
      for (let run = 0; run < runs; run += 1) this.#start(key, at + (run < 2 ? 0 : jitter.below(1_500)));
    }
    this.#at(1_000 + choices.below(3_000, 'raised when'), () =>
      this.#route([2_000, 8_000, 10_000][choices.below(3, 'to')] ?? 0),
    );
    if (choices.chance(300, 'never aborted')) return;
    this.#at(2_500 + choices.below(withinMs - 3_500, 'aborted when'), () => this.#abort(keys));
  }

  /** Keys start again at once, and when everybody has seen it; perhaps it goes on after that. */
  #abort(keys: number): void {
    const { choices, jitter } = this.#network.world;
    for (let key = 0; key < keys; key += 1) this.#start(key, jitter.below(2_500));
    const goesOn = choices.chance(200, 'goes on after the abort');
    this.#route(0, () => {
      for (let key = 0; key < keys; key += 2) this.#start(key, jitter.below(300));
      if (goesOn) this.#at(500, () => this.#route(5_000));
    });
  }

  #start(key: number, afterMs: number): void {
    this.#runs += 1;
    const plan = {
      workflow: trial.name,
      key: `trial-${this.#runs}`,
      run: runIdFor(namespace, trial.name, `trial-${this.#runs}`),
    };
    this.#starts.start(afterMs, plan, { id: `who-${key}`, amount: key % 10 });
  }

  #route(weightBps: number, observed: () => void = () => undefined): void {
    this.#starts.see({ kind: 'Routed', rollout: uid, canary: canary.digest, weightBps, observed: false });
    const revision = this.#network.write(buckets.catalog, catalogKeys.agent(namespace, agent), snapshot(weightBps));
    const look = (): void => {
      if (this.#network.table(buckets.catalog).revision > revision) return;
      if (!this.#isTold(revision)) {
        this.#at(lookMs, look);
        return;
      }
      this.#starts.see({ kind: 'Routed', rollout: uid, canary: canary.digest, weightBps, observed: true });
      observed();
    };
    this.#at(lookMs, look);
  }

  #isTold(revision: number): boolean {
    const table = this.#network.table(buckets.versions);
    return Array.from({ length: this.#network.partitions }, (_, partition) => versionReportKey(partition)).every(
      (key) => {
        const report = this.#network.row(table, key)?.value as VersionReport | undefined;
        return (report?.catalog ?? 0) >= revision;
      },
    );
  }

  #at(ms: number, act: () => void): void {
    this.#network.world.after(ms, 'operator routes', undefined, act);
  }
}
