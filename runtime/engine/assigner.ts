// Owns: which arm of each rollout a new run has, asked before the run is a fact. Bucket `assignments`: an entry for each key, and
// one for each rollout with what its stable keys have left over.
//   R1: a key has one entry, made by compare-and-set before its first run: partitions and engines all find the same arm there.
//   R2: a canary is given out when what it takes is on disk. It is given back only where the key is certainly another's.
//   R3: a stable key adds its weight when its run is a fact; who dies before it has said so has added nothing.
// Without a rollout nothing is asked.
import { SignalboxError } from '../../api/errors.ts';
import type { StartRequest } from '../../api/messages/asks.ts';
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { Arm, Assignment, RolloutOffer } from '../../api/messages/rollout.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { draw, type Keyed, place, type Placed, wholeBps } from '../../core/rollout/assign.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { Catalog } from './catalog.ts';

/** Entry `<rollout>.<unit>`. */
export interface UnitEntry {
  readonly arm: Arm;
  /** At which it was assigned. */
  readonly weightBps: number;
  /** Whose start made the entry. */
  readonly run: string;
}
/** Entry `<rollout>`. */
export interface LeftEntry {
  readonly leftBps: number;
}
export type AssignmentsBucket = Bucket<UnitEntry | LeftEntry>;

/** What a new run was assigned. */
export interface Assigned {
  readonly byAgent: ReadonlyMap<string, Assignment>;
  /** The run is a fact, with these. */
  started(facts: Readonly<Record<string, Assignment>> | undefined): void;
}

/** Keys that are remembered, so that their next run asks nobody. */
const rememberedMax = 20_000;
/** Rollouts that are remembered. */
const rolloutsMax = 64;
/** Another engine wrote first so often: whoever asked asks again. */
const triesMax = 32;

export class Assigner {
  readonly #bus: Bus;
  readonly #catalog: Pick<Catalog, 'agent' | 'bundle' | 'workflow'>;
  readonly #rollouts = new Map<string, Arms>();
  #bucket: Promise<AssignmentsBucket> | undefined;

  constructor(bus: Bus, catalog: Pick<Catalog, 'agent' | 'bundle' | 'workflow'>) {
    this.#bus = bus;
    this.#catalog = catalog;
  }

  /** The agent as runs may start with it: a rollout whose bundle is not known here is none yet. */
  agent(namespace: string, name: string): AgentSnapshot | undefined {
    const agent = this.#catalog.agent(namespace, name);
    if (agent?.rollout === undefined || this.#catalog.bundle(agent.rollout.canary.digest) !== undefined) return agent;
    const { rollout: _rollout, ...without } = agent;
    return without;
  }

  /** Undefined where no rollout is under way; a branch has what its parent has. */
  async assign({ namespace, workflow, branch, run, input }: StartRequest): Promise<Assigned | undefined> {
    const agents = branch === undefined ? (this.#catalog.workflow(namespace, workflow)?.agents ?? []) : [];
    const offers = agents.flatMap((name) => {
      const offer = this.agent(namespace, name)?.rollout;
      return offer === undefined || offer.weightBps === 0 ? [] : [{ name, offer }];
    });
    if (offers.length === 0) return undefined;
    const byAgent = new Map<string, Assignment>();
    for (const { name, offer } of offers) {
      byAgent.set(name, await this.#assign(offer, place(offer, run, input), run));
    }
    return {
      byAgent,
      started: (facts) => {
        for (const [name, { rollout, first, arm, weightBps = 0 }] of byAgent) {
          if (facts?.[name]?.rollout !== rollout || first !== true || arm !== 'stable') continue;
          this.#rollouts.get(rollout)?.gain(weightBps);
        }
      },
    };
  }

  async #assign(offer: RolloutOffer, placed: Placed, run: string): Promise<Assignment> {
    const { unit, excluded } = placed;
    if (excluded) return { rollout: offer.uid, arm: 'stable', unit, excluded };
    const arms = await this.#armsOf(offer.uid);
    // The key of a run of its own is known to nobody else.
    const asked = { ...placed, weightBps: offer.weightBps };
    const entry =
      offer.assignBy === undefined
        ? { arm: await arms.draw(asked), weightBps: offer.weightBps, run }
        : await arms.entry(asked, run);
    const { arm, weightBps } = entry;
    return { rollout: offer.uid, arm, unit, weightBps, ...(entry.run === run ? { first: true } : {}) };
  }

  async #armsOf(uid: string): Promise<Arms> {
    this.#bucket ??= this.#bus.bucket<UnitEntry | LeftEntry>(buckets.assignments);
    const bucket = await this.#bucket.catch((error: unknown) => {
      this.#bucket = undefined;
      throw error;
    });
    const known = this.#rollouts.get(uid);
    if (known !== undefined) return known;
    const arms = new Arms(uid, bucket);
    this.#rollouts.set(uid, arms);
    if (this.#rollouts.size > rolloutsMax) this.#rollouts.delete(this.#rollouts.keys().next().value ?? '');
    return arms;
  }
}

type Asked = Pick<Keyed, 'unit' | 'point'> & { readonly weightBps: number };

interface Waiting {
  readonly asked: Asked;
  readonly drawn: PromiseWithResolvers<Arm>;
}

/** One rollout, as this engine knows it. */
class Arms {
  readonly #uid: string;
  readonly #bucket: AssignmentsBucket;
  readonly #entries = new Map<string, UnitEntry>();
  #left: { readonly leftBps: number; readonly revision: number } | undefined;
  /** Left over by keys that are facts, and not written down yet. */
  #gainedBps = 0;
  #waiting: Waiting[] = [];
  #drawing = false;

  constructor(uid: string, bucket: AssignmentsBucket) {
    this.#uid = uid;
    this.#bucket = bucket;
  }

  gain(bps: number): void {
    this.#gainedBps += bps;
  }

  /** What the key was assigned, now or before. */
  async entry(asked: Asked, run: string): Promise<UnitEntry> {
    const key = `${this.#uid}.${asked.unit}`;
    for (let tries = 0; tries < triesMax; tries += 1) {
      const known = this.#entries.get(asked.unit) ?? ((await this.#bucket.get(key))?.value as UnitEntry | undefined);
      if (known !== undefined) return this.#remember(asked.unit, known);
      const { weightBps } = asked;
      const arm = await this.draw(asked);
      const made = await this.#bucket.update(key, { arm, weightBps, run }, 0);
      failpoint('engine.assignment.made');
      if (made !== undefined) return this.#remember(asked.unit, { arm, weightBps, run });
      if (arm === 'canary') this.gain(wholeBps - weightBps);
    }
    throw this.#crowded();
  }

  /** Keys of one moment are decided together, with one write. */
  draw(asked: Asked): Promise<Arm> {
    const drawn = Promise.withResolvers<Arm>();
    this.#waiting.push({ asked, drawn });
    if (!this.#drawing) void this.#drawAll();
    return drawn.promise;
  }

  async #drawAll(): Promise<void> {
    this.#drawing = true;
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      try {
        const arms = await this.#decide(waiting.map(({ asked }) => asked));
        for (const [at, { drawn }] of waiting.entries()) drawn.resolve(arms[at] ?? 'stable');
      } catch (error) {
        for (const { drawn } of waiting) drawn.reject(error);
      }
    }
    this.#drawing = false;
  }

  async #decide(keys: readonly Asked[]): Promise<readonly Arm[]> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const before = (this.#left ??= await this.#read());
      const gainedBps = this.#gainedBps;
      let leftBps = before.leftBps + gainedBps;
      const arms = keys.map((key) => {
        const drawn = draw(leftBps, key.weightBps, key);
        ({ leftBps } = drawn);
        return drawn.arm;
      });
      if (!arms.includes('canary')) return arms;
      // When no answer comes it may be written: what was gained counts no more, as it may count there.
      this.#gainedBps -= gainedBps;
      this.#left = undefined;
      const revision = await this.#bucket.update(this.#uid, { leftBps }, before.revision);
      if (revision !== undefined) {
        failpoint('engine.assignment.paid');
        this.#left = { leftBps, revision };
        return arms;
      }
      this.#gainedBps += gainedBps;
    }
    throw this.#crowded();
  }

  async #read(): Promise<{ readonly leftBps: number; readonly revision: number }> {
    const found = await this.#bucket.get(this.#uid);
    if (found === undefined) return { leftBps: 0, revision: 0 };
    return { leftBps: (found.value as LeftEntry).leftBps, revision: found.revision };
  }

  #remember(unit: string, entry: UnitEntry): UnitEntry {
    this.#entries.set(unit, entry);
    if (this.#entries.size > rememberedMax) this.#entries.delete(this.#entries.keys().next().value ?? '');
    return entry;
  }

  #crowded(): SignalboxError {
    const message = `the keys of rollout ${this.#uid} are being assigned by too many engines at once; ask again`;
    return new SignalboxError('TIMEOUT', message);
  }
}
