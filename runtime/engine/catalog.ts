// Owns: the engine's copy of the catalog: what runs are played by.
import { SignalboxError } from '../../api/errors.ts';
import type { AgentSnapshot, ResolvedBundle, ResolvedWorkflow } from '../../api/messages/catalog.ts';
import { buckets, catalogKeys } from '../../api/messages/subjects.ts';
import { type Definition, unknownStates } from '../../core/workflow/definition.ts';
import type { TenantBounds } from '../../core/tenant/bounds.ts';
import type { Schedule } from '../../core/schedule/plan.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Log } from '../../ports/system.ts';

export interface CallLimit {
  readonly namespace: string;
  readonly kind: 'tool' | 'model';
  readonly name: string;
  readonly perMinute: number;
}

const RETRY_MS = 1_000;

export class Catalog {
  readonly #entries = new Map<string, unknown>();
  readonly #workflows = new Map<string, ResolvedWorkflow>();
  /** By namespace and name: looked up several times in each step. */
  readonly #agents = new Map<string, Map<string, AgentSnapshot>>();
  readonly #bundles = new Map<string, ResolvedBundle>();
  readonly #unknown = new Map<string, string>();
  /** By the digest of the workflow, until the workflow changes. */
  readonly #definitions = new Map<string, Definition>();
  readonly #changed: () => void;
  #bucket: Bucket<unknown> | undefined;
  #synced = false;
  #revision = 0;
  /** Subjects that states wait for; undefined when it is to be computed. */
  #awaited: ReadonlySet<string> | undefined;

  /** `changed`: something new is known; runs that waited for it may go on. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get synced(): boolean {
    return this.#synced;
  }

  /** Everything up to this revision of the bucket is known. While it is read anew this is less than what is known. */
  get revision(): number {
    return this.#revision;
  }

  /** Rejects while what is not known may yet come: which runs wait, which workflows an event starts. */
  assertSynced(): void {
    if (!this.#synced) throw new SignalboxError('NOT_OWNER', 'the catalog is still being read; ask again');
  }

  /**
   * Makes sure that what a start needs is here: the watch may be a moment behind the operator's "Accepted". What is known is
   * not read again.
   */
  async prepare(namespace: string, name: string): Promise<void> {
    await this.#fetch(catalogKeys.workflow(namespace, name));
    const agents = this.workflow(namespace, name)?.agents ?? [];
    await Promise.all(agents.map((agent) => this.#fetch(catalogKeys.agent(namespace, agent))));
    const digests = agents.flatMap((agent) => {
      const { bundleDigest, rollout } = this.agent(namespace, agent) ?? {};
      return [bundleDigest, rollout?.canary.digest].filter((digest) => digest !== undefined);
    });
    await Promise.all(digests.map((digest) => this.#fetch(catalogKeys.bundle(digest))));
  }

  async #fetch(key: string): Promise<void> {
    if (this.#entries.has(key)) return;
    const entry = await this.#bucket?.get(key);
    // What the watch has passed and is not here was taken away meanwhile.
    if (entry === undefined || this.#entries.has(key) || entry.revision <= this.#revision) return;
    this.#put(key, entry.value);
  }

  /** Follows the bucket until the signal fires. */
  async run(bus: Bus, log: Log, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const bucket = await bus.bucket<unknown>(buckets.catalog);
        this.#bucket = bucket;
        for await (const change of bucket.watch(signal)) {
          if (change.kind === 'Synced') this.#synced = true;
          else {
            if (change.kind === 'Put') this.#put(change.entry.key, change.entry.value);
            else this.#delete(change.key);
            this.#revision = change.kind === 'Put' ? change.entry.revision : change.revision;
          }
          if (this.#synced) this.#changed();
        }
      } catch (error) {
        log.warn('the catalog cannot be read; trying again', { error });
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  agent(namespace: string, name: string): AgentSnapshot | undefined {
    return this.#agents.get(namespace)?.get(name);
  }

  /** Uids of the rollouts that are under way. */
  offered(): ReadonlySet<string> {
    const offered = new Set<string>();
    for (const agents of this.#agents.values()) {
      for (const { rollout } of agents.values()) if (rollout !== undefined) offered.add(rollout.uid);
    }
    return offered;
  }

  bundle(digest: string): ResolvedBundle | undefined {
    return this.#bundles.get(digest);
  }

  /** The current version. */
  workflow(namespace: string, name: string): ResolvedWorkflow | undefined {
    return this.#entries.get(catalogKeys.workflow(namespace, name)) as ResolvedWorkflow | undefined;
  }

  /** What its platform team has declared. */
  tenant(namespace: string): TenantBounds | undefined {
    return this.#entries.get(catalogKeys.tenant(namespace)) as TenantBounds | undefined;
  }

  /** Tools and models that bundles use, with a bound per minute; each once. */
  callLimits(): readonly CallLimit[] {
    const found = new Map<string, CallLimit>();
    for (const { namespace, tools, models } of this.#bundles.values()) {
      const add = (kind: CallLimit['kind'], name: string, perMinute: number | undefined): void => {
        if (perMinute !== undefined) found.set(`${namespace}.${kind}.${name}`, { namespace, kind, name, perMinute });
      };
      for (const [name, { spec }] of Object.entries(tools)) add('tool', name, spec.limits?.perMinute);
      for (const [name, { spec }] of Object.entries(models)) add('model', name, spec.limits?.requestsPerMinute);
    }
    return [...found.values()];
  }

  /** Current workflows of a namespace. */
  *workflows(namespace: string): Generator<ResolvedWorkflow> {
    for (const [key, value] of this.#entries) {
      if (key.startsWith(`workflow.${namespace}.`)) yield value as ResolvedWorkflow;
    }
  }

  /** True when a state of any version that is known waits for bus events of this subject. */
  waitsFor(namespace: string, subject: string): boolean {
    this.#awaited ??= new Set(
      [...this.#workflows.values()].flatMap(({ namespace: of, spec }) =>
        Object.values(spec.states).flatMap((state) =>
          state.for?.event === undefined ? [] : [`${of} ${state.for.event}`],
        ),
      ),
    );
    return this.#awaited.has(`${namespace} ${subject}`);
  }

  /** Every schedule of the current workflows. */
  *schedules(): Generator<Schedule> {
    for (const [key, value] of this.#entries) {
      if (!key.startsWith('workflow.')) continue;
      const { namespace, name: workflow, spec } = value as ResolvedWorkflow;
      for (const { schedule } of spec.triggers ?? []) {
        if (schedule !== undefined) yield { namespace, workflow, name: schedule.name ?? 'default', spec: schedule };
      }
    }
  }

  /** What a run that pinned this workflow is played by; undefined until the operator has written it. */
  definition(workflowDigest: string): Definition | undefined {
    const known = this.#definitions.get(workflowDigest);
    if (known !== undefined) return known;
    const workflow = this.#workflows.get(workflowDigest);
    if (workflow === undefined || this.unknownIn(workflowDigest) !== undefined) return undefined;
    const definition: Definition = {
      workflow,
      bundle: (digest) => this.#bundles.get(digest),
      agentPolicy: (agent) => this.agent(workflow.namespace, agent)?.policy,
    };
    this.#definitions.set(workflowDigest, definition);
    return definition;
  }

  /** What a pinned workflow has that this engine cannot play; undefined when all is well, or nothing is known of it. */
  unknownIn(workflowDigest: string): string | undefined {
    const known = this.#unknown.get(workflowDigest);
    return known === '' ? undefined : known;
  }

  #put(key: string, value: unknown): void {
    this.#entries.set(key, value);
    if (key.startsWith('workflow.') || key.startsWith('workflow-at.')) {
      const workflow = value as ResolvedWorkflow;
      this.#workflows.set(workflow.digest, workflow);
      this.#unknown.set(workflow.digest, unknownStates(workflow) ?? '');
      this.#definitions.delete(workflow.digest);
      this.#awaited = undefined;
    } else if (key.startsWith('agent.')) {
      const agent = value as AgentSnapshot;
      const agents = this.#agents.get(agent.namespace) ?? new Map<string, AgentSnapshot>();
      this.#agents.set(agent.namespace, agents.set(agent.name, agent));
    } else if (key.startsWith('bundle.')) {
      const bundle = value as ResolvedBundle;
      this.#bundles.set(bundle.digest, bundle);
    }
  }

  /**
   * A digest that is taken away is forgotten; the current workflow's own entry is another one. Who reads the bucket anew is told
   * also of what was taken away before it looked.
   */
  #delete(key: string): void {
    const value = this.#entries.get(key);
    if (!this.#entries.delete(key)) return;
    if (key.startsWith('workflow-at.')) {
      const { digest } = value as ResolvedWorkflow;
      this.#workflows.delete(digest);
      this.#unknown.delete(digest);
      this.#definitions.delete(digest);
    } else if (key.startsWith('agent.')) {
      const { namespace, name } = value as AgentSnapshot;
      this.#agents.get(namespace)?.delete(name);
    } else if (key.startsWith('bundle.')) this.#bundles.delete((value as ResolvedBundle).digest);
  }
}
