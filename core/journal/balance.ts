// Owns: who of the engines serves which partition.
//   B1: each engine decides alone, from the same facts. Shares differ by at most one, so none is above ceil(partitions / engines).
//   B2: it takes only what is free and lets go of only what is above its share; so each step makes the spread even or leaves it
//       alone, and once it is even nothing moves.
//   B3: it is for speed: two that see different facts are kept apart by the lease, and by the journal's compare-and-set.

export interface Leases {
  readonly partitions: number;
  /** Who has which partition; one that is missing is free. */
  readonly holders: ReadonlyMap<number, string>;
  /** Those that say that they live. A holder lives, too. */
  readonly engines: readonly string[];
}

export interface Balance {
  /** Free ones that are this engine's. */
  readonly take: readonly number[];
  /** One at most; the next one when this one has gone. */
  readonly letGo?: number;
  /** Another engine has what is this one's, and will let go of it. */
  readonly expecting: boolean;
}

interface Share {
  readonly engine: string;
  readonly held: readonly number[];
  readonly size: number;
}

/** What `me` does next. */
export function balance(me: string, leases: Leases): Balance {
  const shares = sharesOf(me, leases);
  const mine = shares.find(({ engine }) => engine === me);
  if (mine === undefined) return { take: [], expecting: false };
  const letGo = mine.held.length > mine.size ? mine.held.at(-1) : undefined;
  const take = freeFor(me, shares, leases);
  const expecting = mine.held.length + take.length < mine.size;
  return { take, expecting, ...(letGo === undefined ? {} : { letGo }) };
}

/** Whoever has more keeps the larger share, so that as little as possible moves. */
function sharesOf(me: string, { partitions, holders, engines }: Leases): readonly Share[] {
  const held = new Map<string, number[]>([me, ...engines].map((engine) => [engine, []]));
  for (let partition = 0; partition < partitions; partition += 1) {
    const holder = holders.get(partition);
    if (holder === undefined) continue;
    const known = held.get(holder);
    if (known === undefined) held.set(holder, [partition]);
    else known.push(partition);
  }
  const [least, larger] = [Math.floor(partitions / held.size), partitions % held.size];
  return [...held]
    .toSorted(([one, its], [other, others]) => others.length - its.length || (one < other ? -1 : 1))
    .map(([engine, its], index) => ({ engine, held: its, size: index < larger ? least + 1 : least }));
}

/** The free partitions are dealt out to those below their share; these are the ones of `me`. */
function freeFor(me: string, shares: readonly Share[], { partitions, holders }: Leases): readonly number[] {
  const free = Array.from({ length: partitions }, (_, partition) => partition).filter((one) => !holders.has(one));
  let dealt = 0;
  for (const { engine, held, size } of shares) {
    const lacking = Math.max(0, size - held.length);
    if (engine === me) return free.slice(dealt, dealt + lacking);
    dealt += lacking;
  }
  return [];
}
