// Owns: one controller at work: changes become keys, keys become reconciles, every outcome has one branch and one metric.
import { TerminalError, isSignalboxError } from '../../api/errors.ts';
import type { Informer, Informers } from '../../ports/cache.ts';
import type { Kube, KubeObject, ObjectKey, Resource } from '../../ports/kube.ts';
import { describe, keyOf, keyText } from '../../ports/resources.ts';
import type { Clock, Log, Metrics } from '../../ports/system.ts';
import { Applier } from '../apply.ts';
import type { Caches, Controller, Cycle, Outcome } from './controller.ts';
import { assertLeader } from './guard.ts';
import type { Leadership } from './guard.ts';
import type { Command, Plan, Status } from './plan.ts';
import { WorkQueue } from './queue.ts';
import type { Priority } from './queue.ts';
import type { Recorder } from './recorder.ts';
import { conditions, kstatus } from './status.ts';

export interface LoopOptions {
  readonly controller: Controller;
  /** Guarded. */
  readonly kube: Kube;
  readonly informers: Informers;
  readonly caches: Caches;
  readonly leadership: Leadership;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const WORKERS = 8;
const TIMEOUT_MS = 60_000;
/** After a conflict: the cache is about to have the newer object. */
const CONFLICT_WAIT_MS = 100;
/** While nobody can say whether we lead. Where leadership is lost, the process ends before this. */
const DOUBT_WAIT_MS = 1_000;
/** Failures in a row before the object's conditions say so: one may be chance. */
const REPORT_AFTER = 3;
const KSTATUS = new Set(['Ready', 'Reconciling', 'Stalled']);
const KERNEL_COMMANDS = new Set(['apply', 'delete', 'status', 'finalizer']);

export class ControllerLoop {
  readonly name: string;
  readonly queue: WorkQueue;
  readonly #options: LoopOptions;
  readonly #applier: Applier;
  readonly #meter: ReturnType<typeof reconcileMeter>;
  readonly #log: Log;
  /** Keys that ended in a terminal error. */
  readonly #stalled = new Set<string>();

  constructor(options: LoopOptions) {
    const { controller, clock, metrics, kube, informers, leadership } = options;
    this.name = controller.name;
    this.#options = options;
    this.#log = options.log.child({ controller: controller.name });
    this.#meter = reconcileMeter(metrics, controller.name, controller.workers ?? WORKERS);
    this.queue = new WorkQueue({ name: controller.name, clock, metrics });
    this.#applier = new Applier({
      controller: controller.name,
      kube,
      informers,
      leadership,
      fenced: controller.fenced ?? false,
      log: this.#log,
      metrics,
    });
  }

  /** Connects the watches; call before the informers run, so that no change is missed. */
  wire(): void {
    const { controller, informers } = this.#options;
    for (const index of controller.indexes ?? []) {
      informers.of(index.resource).index(index.name, (object) => index.values(object));
    }
    this.#listen(informers.of(controller.root), (change, priority) => this.#onRoot(change, priority));
    for (const owned of controller.owns ?? []) {
      this.#listen(informers.of(owned), (change, priority) => {
        // What stood in the way of a stalled root may just have gone.
        if (change.after === undefined) for (const key of this.#stalled) this.queue.add(key, 'low');
        for (const object of sides(change)) {
          const owner = ownerOf(object, controller.root);
          if (owner !== undefined) this.queue.add(keyText(owner), priority);
        }
      });
    }
    for (const watch of controller.watches ?? []) {
      this.#listen(informers.of(watch.resource), (change, priority) => {
        for (const object of sides(change)) {
          for (const key of watch.map(object, this.#options.caches)) this.queue.add(keyText(key), priority);
        }
      });
    }
  }

  /** Works until the signal fires; resolves when the reconciles under way have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.queue.shutDown();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const workers = Array.from({ length: this.#options.controller.workers ?? WORKERS }, () => this.#work(signal));
    await Promise.all(workers);
  }

  #listen(informer: Informer, listener: (change: Change, priority: Priority) => void): void {
    informer.onChange((change) => listener(change, change.initial ? 'low' : 'normal'));
  }

  #onRoot({ before, after }: Change, priority: Priority): void {
    const { root } = this.#options.controller;
    const object = after ?? before;
    if (object === undefined) return;
    if (after === undefined) this.#applier.forget(root, keyOf(object));
    else if (before !== undefined && this.#applier.isEcho(root, before, after)) return;
    this.queue.add(keyText(keyOf(object)), priority);
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      const key = await this.queue.take();
      if (key === undefined) return;
      this.#meter.active(1);
      const startedAt = performance.now();
      try {
        await this.#once(key, signal);
      } finally {
        this.#meter.active(-1);
        this.#meter.took(performance.now() - startedAt);
        this.queue.done(key);
      }
    }
  }

  /** One reconcile and what follows from how it ended. */
  async #once(key: string, signal: AbortSignal): Promise<void> {
    const deadline = this.#deadline(key, signal);
    try {
      const outcome = await this.#reconcile(key, deadline.signal);
      this.queue.forget(key);
      this.#stalled.delete(key);
      if (outcome.requeueAfterMs === undefined) {
        this.#meter.result('success');
      } else {
        this.#meter.result('requeue_after');
        this.queue.addAfter(key, outcome.requeueAfterMs);
      }
    } catch (error) {
      await this.#failed(key, error);
    } finally {
      deadline.end();
    }
  }

  async #failed(key: string, error: unknown): Promise<void> {
    if (isSignalboxError(error, 'KUBE_CONFLICT')) {
      this.#meter.result('requeue');
      this.queue.addAfter(key, CONFLICT_WAIT_MS);
      return;
    }
    if (isSignalboxError(error, 'STALE') && !this.#options.leadership.isLeader()) {
      // A doubt may pass (the API server was away for a moment), and then nobody else knows of this key.
      this.queue.addAfter(key, DOUBT_WAIT_MS);
      return;
    }
    if (namespaceEnds(error)) {
      this.#meter.result('success');
      return;
    }
    this.#meter.result('error');
    this.#meter.failed(error);
    if (error instanceof TerminalError) {
      this.#log.error('reconcile failed; nothing is tried until something changes', { key, error });
      this.#stalled.add(key);
      this.queue.forget(key);
      await this.#report(key, 'stalled', error);
      return;
    }
    this.queue.addRateLimited(key);
    const failures = this.queue.failures(key);
    this.#log.warn('reconcile failed; trying again', { key, failures, error });
    if (failures >= REPORT_AFTER) await this.#report(key, 'reconciling', error);
  }

  /** Puts the failure into the root's conditions; the rest of its status stays. */
  async #report(key: string, state: 'stalled' | 'reconciling', error: unknown): Promise<void> {
    const { controller, caches, clock } = this.#options;
    const root = caches.of(controller.root).get(parseKey(key));
    if (root === undefined) return;
    const base = this.#applier.lastStatus(controller.root, root) ?? (root['status'] as Status | undefined) ?? {};
    const message = error instanceof Error ? error.message : String(error);
    const findings = kstatus({ state, reason: 'ReconcileFailed', message });
    const kept = (base.conditions ?? []).filter(({ type }) => !KSTATUS.has(type));
    const status = { ...base, conditions: [...kept, ...conditions(root, findings, clock.now())] };
    await this.#applier
      .status(controller.root, root, status as NonNullable<Plan['status']>, true)
      .catch(() => undefined);
    const { recorder } = this.#options;
    recorder.record(controller.name, root, {
      type: 'Warning',
      reason: 'ReconcileFailed',
      action: 'Reconcile',
      note: message,
    });
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const { controller, caches, clock } = this.#options;
    const cycle: Cycle = { caches, clock, log: this.#log.child({ key }), signal };
    return controller.reconcile(parseKey(key), {
      ...cycle,
      carryOut: (root, plan, perform) => this.#carryOut(root, plan, (command) => perform(command, cycle)),
    });
  }

  async #carryOut<Extra>(
    root: KubeObject,
    plan: Plan<Extra>,
    perform: (command: Extra) => Promise<void>,
  ): Promise<Outcome> {
    const { controller, leadership, recorder } = this.#options;
    for (const group of batches(plan.commands)) {
      await settle(
        group.map(async (command) => {
          assertLeader(leadership);
          if (isKernelCommand(command)) await this.#applier.carryOut(command);
          else await perform(command as Extra);
        }),
      );
    }
    if (plan.status !== undefined) await this.#applier.status(controller.root, root, plan.status, true);
    for (const event of plan.events ?? []) recorder.record(controller.name, root, event);
    return plan.requeueAfterMs === undefined ? {} : { requeueAfterMs: plan.requeueAfterMs };
  }

  #deadline(key: string, signal: AbortSignal): { readonly signal: AbortSignal; end(): void } {
    const own = new AbortController();
    const timeoutMs = this.#options.controller.timeoutMs ?? TIMEOUT_MS;
    const timer = setTimeout(() => {
      this.#meter.timedOut();
      this.#log.error('reconcile takes too long; the key stays with its worker until it ends', { key, timeoutMs });
      own.abort(new Error(`reconcile of ${describe(this.#options.controller.root, parseKey(key))} timed out`));
    }, timeoutMs);
    const stop = (): void => own.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    return {
      signal: own.signal,
      end: () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
      },
    };
  }
}

interface Change {
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
}

/** An object that moved from one owner or reference to another concerns both. */
function sides({ before, after }: Change): readonly KubeObject[] {
  return [before, after].filter((object) => object !== undefined);
}

function ownerOf(object: KubeObject, root: Resource): ObjectKey | undefined {
  const owner = object.metadata.ownerReferences?.find((reference) => reference.controller === true);
  if (owner?.kind !== root.kind || groupOf(owner.apiVersion) !== root.group) return undefined;
  const { namespace } = object.metadata;
  return root.namespaced && namespace !== undefined ? { namespace, name: owner.name } : { name: owner.name };
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/', 1)[0] ?? '') : '';
}

/** The reverse of `keyText`: names hold no slash. */
export function parseKey(text: string): ObjectKey {
  const at = text.indexOf('/');
  return at === -1 ? { name: text } : { namespace: text.slice(0, at), name: text.slice(at + 1) };
}

function isKernelCommand(command: unknown): command is Command {
  return KERNEL_COMMANDS.has((command as { kind?: string }).kind ?? '');
}

/** Nothing can be made in a namespace that is being deleted; the root goes with it. */
function namespaceEnds(error: unknown): boolean {
  return isSignalboxError(error, 'KUBE_FORBIDDEN') && error.message.includes('because it is being terminated');
}

const BATCH_MAX = 8;

/** Neighbouring applies side by side, everything else alone and in order. */
function* batches<C>(commands: readonly C[]): Generator<readonly C[]> {
  let batch: C[] = [];
  for (const command of commands) {
    if ((command as { kind?: string }).kind === 'apply' && batch.length < BATCH_MAX) {
      batch.push(command);
      continue;
    }
    if (batch.length > 0) yield batch;
    batch = [];
    if ((command as { kind?: string }).kind === 'apply') batch.push(command);
    else yield [command];
  }
  if (batch.length > 0) yield batch;
}

/** Waits for all, also when one failed: nothing may still run when the key is given back. */
async function settle(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

const RECONCILE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Metrics under controller-runtime's names. */
function reconcileMeter(metrics: Metrics, controller: string, workers: number) {
  const name = (suffix: string): string => `controller_runtime_${suffix}`;
  const labels = ['controller'];
  const total = metrics.counter(name('reconcile_total'), 'Reconciles by outcome.', [...labels, 'result']);
  const errors = metrics.counter(name('reconcile_errors_total'), 'Reconciles that failed.', labels);
  const terminal = metrics.counter(name('terminal_reconcile_errors_total'), 'Failures that are not retried.', labels);
  const panics = metrics.counter(name('reconcile_panics_total'), 'Failures that are faults in the program.', labels);
  const timeouts = metrics.counter(name('reconcile_timeouts_total'), 'Reconciles past their deadline.', labels);
  const seconds = metrics.histogram(name('reconcile_time_seconds'), 'Time of a reconcile.', RECONCILE_BUCKETS, labels);
  const active = metrics.gauge(name('active_workers'), 'Workers with a key.', labels);
  const running = { count: 0 };
  metrics.gauge(name('max_concurrent_reconciles'), 'Workers.', labels)(workers, { controller });
  for (const add of [errors, terminal, panics, timeouts]) add({ controller }, 0);
  for (const result of ['success', 'error', 'requeue', 'requeue_after']) total({ controller, result }, 0);
  return {
    result: (result: 'success' | 'error' | 'requeue' | 'requeue_after') => total({ controller, result }),
    failed(error: unknown) {
      errors({ controller });
      if (error instanceof TerminalError) terminal({ controller });
      if (error instanceof TypeError || error instanceof RangeError) panics({ controller });
    },
    timedOut: () => timeouts({ controller }),
    took: (ms: number) => seconds(ms / 1_000, { controller }),
    active(by: 1 | -1) {
      running.count += by;
      active(running.count, { controller });
    },
  };
}
