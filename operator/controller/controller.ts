/**
 * Owns: the loop of one controller. It knows no kind. Level-triggered: a reconcile is told which object, never what
 * happened, and may be called again at any time. One key is never reconciled twice at once.
 *
 * A kind folder holds `observe.ts` (reads caches), `plan.ts` (pure) and a controller of about this size:
 *
 *   export const agentController = planned<AgentObserved>({
 *     name: 'agent',                                  // field manager `signalbox-agent`, metrics label, event source
 *     root: AGENT,
 *     owns: [DEPLOYMENT, SERVICE_ACCOUNT, CONFIG_MAP], // children with a controller owner reference to the root
 *     watches: [{
 *       resource: BUNDLE,                             // a changed Bundle reconciles the Agents that name it
 *       map: (bundle, caches) =>
 *         caches.of<AgentObject>(AGENT).indexed('bundle', bundleRefOf(bundle)).map(keyOf),
 *     }],
 *     indexes: [{ resource: AGENT, name: 'bundle', values: (agent) => [refText(agent)] }],
 *     observe: (root, caches) => ({ root, bundle: caches.of(BUNDLE).get(bundleKey(root)) }),
 *     plan: (observed, now) => ({
 *       commands: [{ kind: 'apply', resource: DEPLOYMENT, object: deploymentOf(observed) }],
 *       status: { observedGeneration: observed.root.metadata.generation, conditions: ready(observed, now) },
 *     }),
 *   });
 *
 * `main.ts` hands all of them to `runManager({ controllers: [agentController, …], kube, informers, … })`.
 */
import type { Store } from '../../ports/cache.ts';
import type { KubeObject, ObjectKey, Resource } from '../../ports/kube.ts';
import type { Clock, Instant, Log } from '../../ports/system.ts';
import type { Plan } from './plan.ts';

/** The stores of every kind the program watches. Asking for a kind nobody declared throws. */
export interface Caches {
  of<T extends KubeObject>(resource: Resource): Store<T>;
}

export interface Watch<T extends KubeObject = KubeObject> {
  readonly resource: Resource;
  /** Roots to look at again; called with the object before and after a change. Must be quick: it runs per change. */
  map(object: T, caches: Caches): Iterable<ObjectKey>;
}

export interface Index<T extends KubeObject = KubeObject> {
  readonly resource: Resource;
  readonly name: string;
  values(object: T): readonly string[];
}

/** What a reconcile may use besides its own closure. */
export interface Cycle {
  readonly caches: Caches;
  readonly clock: Clock;
  readonly log: Log;
  /** Fires at the deadline of this reconcile and when leadership is lost. */
  readonly signal: AbortSignal;
}

/** Done; look again after a delay when one is given. */
export interface Outcome {
  readonly requeueAfterMs?: number;
}

/** Everything the kernel needs to know to run a controller. */
export interface Controller {
  /** kebab-case, unique: metrics label `controller`, field manager `signalbox-<name>`. */
  readonly name: string;
  readonly root: Resource;
  readonly owns?: readonly Resource[];
  readonly watches?: readonly Watch[];
  readonly indexes?: readonly Index[];
  /** Reconciles at once; default 8. */
  readonly workers?: number;
  /** Deadline of one reconcile in milliseconds; default 60,000. */
  readonly timeoutMs?: number;
  /** True when the kind's CRD has `status.leaderEpoch`: writes of a leader that was replaced are then refused. */
  readonly fenced?: boolean;
  reconcile(key: ObjectKey, cycle: ReconcileCycle): Promise<Outcome>;
}

/** A cycle with the one way to change anything. */
export interface ReconcileCycle extends Cycle {
  carryOut<Extra>(
    root: KubeObject,
    plan: Plan<Extra>,
    perform: (command: Extra, cycle: Cycle) => Promise<void>,
  ): Promise<Outcome>;
}

export interface PlannedController<Observed, Extra = never> extends Omit<
  Controller,
  'reconcile' | 'watches' | 'indexes'
> {
  readonly watches?: readonly Watch<never>[];
  readonly indexes?: readonly Index<never>[];
  /** Gathers all the plan needs; reads caches, and other systems where it must. Undefined: nothing to do. */
  observe(root: KubeObject, caches: Caches, cycle: Cycle): Observed | undefined | Promise<Observed | undefined>;
  /** Pure. */
  plan(observed: Observed, now: Instant): Plan<Extra>;
  /** Carries out the kind's own commands; required when `Extra` is used. Must be idempotent. */
  perform?(command: Extra, cycle: Cycle): Promise<void>;
}

/** Makes a controller of a pure plan: observe, decide, carry out. An absent root needs nothing: its children go with it. */
export function planned<Observed, Extra = never>(definition: PlannedController<Observed, Extra>): Controller {
  const { watches, indexes, ...rest } = definition;
  return {
    ...rest,
    watches: (watches ?? []) as readonly Watch[],
    indexes: (indexes ?? []) as readonly Index[],
    async reconcile(key, cycle) {
      const root = cycle.caches.of(definition.root).get(key);
      if (root === undefined) return {};
      const observed = await definition.observe(root, cycle.caches, cycle);
      if (observed === undefined) return {};
      return cycle.carryOut(root, definition.plan(observed, cycle.clock.now()), async (command, inner) => {
        if (definition.perform === undefined) {
          throw new TypeError(
            `controller ${definition.name}: the plan holds a command of its own but there is no perform`,
          );
        }
        await definition.perform(command, inner);
      });
    },
  };
}
