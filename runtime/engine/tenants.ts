// Owns: what one namespace may start beside the others (I15): every start that comes from outside is paid for, in all partitions
// together. `core/tenant` decides; the owner of one partition keeps a namespace's book, and a partition fetches from it.
// Where nothing is declared nothing is asked.
import { z } from 'zod';
import { SignalboxError } from '../../api/errors.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { RunSource } from '../../api/messages/history.ts';
import type { TenantBounds } from '../../core/tenant/bounds.ts';
import { fetchMax, type StartGrant, TenantBook, type TenantUse } from '../../core/tenant/book.ts';
import { type Refusal, tenantRefusal, TenantPurse } from '../../core/tenant/purse.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { Catalog } from './catalog.ts';
import { resultOf } from './forward.ts';
import type { Serving } from './serving.ts';

export interface TenantOptions {
  readonly catalog: Pick<Catalog, 'tenant'>;
  readonly partitions: number;
  /** Where a Namespace declares nothing. */
  readonly defaults: TenantBounds;
  readonly now: () => number;
  readonly newId: () => string;
  /** Asks the owner of a partition, with the verb `tenant`. */
  readonly ask: <T>(partition: number, payload: TenantAsk) => Promise<EngineReply<T>>;
  readonly refused: (bound: keyof TenantBounds) => void;
}

export type TenantAsk =
  /** `opening`: the id of a book that is being opened. */
  | { readonly kind: 'Tell'; readonly namespace: string; readonly opening?: string }
  | {
      readonly kind: 'Fetch';
      readonly namespace: string;
      readonly partition: number;
      readonly wanted: number;
      readonly use: TenantUse;
    };

interface Told {
  readonly use: TenantUse;
  /** Starts of the last minute, for a book that is being opened. */
  readonly recent: number;
}

/** A start that may be made; `done` says what became of it. */
export interface Admitted {
  done(started: boolean): void;
}

const minuteMs = 61_000;
/** How old the book's knowledge may be when it refuses a start. */
const freshMs = 1_000;
/** What was begun inside, or goes on with what was begun, is never refused. */
const inside: ReadonlySet<RunSource> = new Set(['parent', 'fallback']);

const askShape = z.object({ kind: z.enum(['Tell', 'Fetch']), namespace: z.string().max(63) });

interface Open {
  readonly book: TenantBook;
  lookedAt: number;
}

interface Counting {
  readonly purse: TenantPurse;
  fetching: Promise<void> | undefined;
  waiting: number;
}

export class Tenants {
  readonly #options: TenantOptions;
  /** With the serving of a partition all that was counted for it is gone. */
  readonly #books = new WeakMap<Serving, Map<string, Promise<Open>>>();
  readonly #countings = new WeakMap<Serving, Map<string, Counting>>();

  constructor(options: TenantOptions) {
    this.#options = options;
  }

  bounds(namespace: string): TenantBounds {
    return { ...this.#options.defaults, ...this.#options.catalog.tenant(namespace) };
  }

  /** Resolves when the start may be made; rejects with OVERLOADED. */
  async admit(serving: Serving, namespace: string, source: RunSource): Promise<Admitted | undefined> {
    const bounds = this.bounds(namespace);
    if (inside.has(source) || (bounds.openRuns === undefined && bounds.startsPerMinute === undefined)) return undefined;
    const { now } = this.#options;
    const counting = this.#counting(serving, namespace);
    while (!counting.purse.take(now())) {
      const refusal = counting.purse.refusal(now());
      if (refusal !== undefined) throw this.#overloaded(namespace, refusal);
      counting.waiting += 1;
      counting.fetching ??= this.#fetch(serving, namespace, counting).finally(() => (counting.fetching = undefined));
      await counting.fetching.finally(() => (counting.waiting -= 1));
    }
    return counting.purse;
  }

  /** The verb `tenant`: of a partition, or of the one that keeps the book. */
  async answer(serving: Serving, payload: unknown): Promise<EngineReply<Told | StartGrant>> {
    askShape.parse(payload);
    const ask = payload as TenantAsk;
    if (ask.kind === 'Tell') return { ok: true, result: this.#told(serving, ask) };
    const { namespace, partition, use, wanted } = ask;
    const { now } = this.#options;
    const open = await this.#book(serving, namespace);
    open.book.tell(partition, use, now());
    const grant = (): StartGrant => open.book.grant(partition, wanted, { bounds: this.bounds(namespace), now: now() });
    const granted = grant();
    if (granted.refused?.bound !== 'openRuns' || now() - open.lookedAt < freshMs) return { ok: true, result: granted };
    open.lookedAt = now();
    await this.#look({ namespace }, (at, told) => open.book.tell(at, told.use, now()));
    return { ok: true, result: grant() };
  }

  /** How many runs a namespace has open, and how many it may have, where this partition keeps its book. */
  counted(
    serving: Serving,
  ): Promise<readonly { readonly namespace: string; readonly used: number; readonly bounds: TenantBounds }[]> {
    const books = [...(this.#books.get(serving) ?? [])];
    return Promise.all(
      books.map(async ([namespace, open]) => ({
        namespace,
        used: (await open).book.used,
        bounds: this.bounds(namespace),
      })),
    );
  }

  async #fetch(serving: Serving, namespace: string, { purse, waiting }: Counting): Promise<void> {
    const { now, partitions, ask } = this.#options;
    const partition = serving.partition.number;
    const { fetch } = purse;
    const use = purse.use(serving.partition.table.openOf(namespace), now());
    const home = partitionOf(`tenant/${namespace}`, partitions);
    // Those who come while it is fetched are served from it, too.
    const wanted = Math.min(fetchMax, Math.max(waiting, 1) * 2);
    const reply = await ask<StartGrant>(home, { kind: 'Fetch', namespace, partition, wanted, use });
    purse.fetched(fetch, resultOf(reply), now());
  }

  #book(serving: Serving, namespace: string): Promise<Open> {
    const books = this.#books.get(serving) ?? new Map<string, Promise<Open>>();
    this.#books.set(serving, books);
    const known = books.get(namespace);
    if (known !== undefined) return known;
    const opening = this.#openBook(namespace);
    books.set(namespace, opening);
    opening.catch(() => books.delete(namespace));
    return opening;
  }

  /** N3. */
  async #openBook(namespace: string): Promise<Open> {
    const { now, partitions, newId } = this.#options;
    const id = newId();
    let recent = 0;
    const all: Told[] = [];
    await this.#look({ namespace, opening: id }, (partition, told) => {
      all[partition] = told;
      recent += told.recent;
    });
    const book = new TenantBook(
      id,
      Array.from({ length: partitions }, () => 0),
      { recent, now: now() },
    );
    for (const [partition, told] of all.entries()) if (told !== undefined) book.tell(partition, told.use, now());
    return { book, lookedAt: now() };
  }

  /** Every partition is asked: without one of them nobody knows how much there is. */
  async #look(
    asked: { readonly namespace: string; readonly opening?: string },
    told: (partition: number, told: Told) => void,
  ): Promise<void> {
    const { partitions, ask } = this.#options;
    const all = Array.from({ length: partitions }, async (_, partition) => {
      told(partition, resultOf(await ask<Told>(partition, { kind: 'Tell', ...asked })));
    });
    await Promise.all(all);
  }

  #told(serving: Serving, { namespace, opening }: TenantAsk & { readonly kind: 'Tell' }): Told {
    const now = this.#options.now();
    const { table } = serving.partition;
    const { purse } = this.#counting(serving, namespace);
    const open = table.openOf(namespace);
    if (opening === undefined) return { use: purse.use(open, now), recent: 0 };
    const recent = table.find({ namespace, since: now - minuteMs }).length;
    return { use: purse.counted(opening, open, now), recent };
  }

  #counting(serving: Serving, namespace: string): Counting {
    const all = this.#countings.get(serving) ?? new Map<string, Counting>();
    this.#countings.set(serving, all);
    const known = all.get(namespace);
    if (known !== undefined) return known;
    const purse = new TenantPurse(serving.partition.seq, this.#options.now());
    const counting: Counting = { purse, fetching: undefined, waiting: 0 };
    all.set(namespace, counting);
    return counting;
  }

  #overloaded(namespace: string, refusal: Refusal): SignalboxError {
    this.#options.refused(refusal.bound);
    return new SignalboxError('OVERLOADED', tenantRefusal(namespace, refusal, this.bounds(namespace)), {
      fields: { retryAfterMs: refusal.retryMs },
    });
  }
}
