// Owns: whether the arms have the shares that were assigned (sample ratio): if not, the router or the telemetry is wrong, and
// what the arms have in common is not only chance.
//   R1: each partition is a cell of its own: a partition keeps the canary below its weight at each moment (I7), so its count
//       falls short by the absolute value of a normal variable, never exceeds. Its chi-square is the same as without, that of a
//       sum over partitions would not be.
//   R2: keys that were assigned while a partition changed its weight belong to no cell; nor do those that came while it forgot old
//       runs, and its counts fell.
import type { ByArm, RecordOf } from '../../api/messages/evidence.ts';
import { chiSquareAbove } from './distributions.ts';

type Keys = RecordOf<'KeysAssigned'>['keys'];

export interface Share {
  readonly weightBps: number;
  /** Keys at this weight. */
  readonly cell: ByArm<number>;
  /** The counts as they were told last. */
  readonly told: Keys;
  /** All keys so far. */
  readonly all: Keys;
}

export interface Shares {
  readonly partitions: Readonly<Record<string, Share>>;
  /** Of weights that are over: the sum of their chi-squares, and how many. */
  readonly closed: Cells;
}

interface Cells {
  readonly chiSquare: number;
  readonly cells: number;
}

/** Below, chi-square says nothing. */
const expectedMin = 5;
const weightMax = 10_000;
const none: Keys = { stable: 0, canary: 0, excluded: 0 };

export const noShares: Shares = { partitions: {}, closed: { chiSquare: 0, cells: 0 } };

export function noteKeys(shares: Shares, { partition, weightBps, keys }: RecordOf<'KeysAssigned'>): Shares {
  const { [partition]: known = { weightBps, cell: none, told: none, all: none } } = shares.partitions;
  const more = (kind: keyof Keys): number => keys[kind] - known.told[kind];
  const grown = (kind: keyof Keys): number => known.all[kind] + Math.max(0, more(kind));
  const same = known.weightBps === weightBps;
  const counts = same && more('stable') >= 0 && more('canary') >= 0;
  const cell = {
    stable: (same ? known.cell.stable : 0) + (counts ? more('stable') : 0),
    canary: (same ? known.cell.canary : 0) + (counts ? more('canary') : 0),
  };
  const all = { stable: grown('stable'), canary: grown('canary'), excluded: grown('excluded') };
  return {
    partitions: { ...shares.partitions, [partition]: { weightBps, cell, told: keys, all } },
    closed: same ? shares.closed : plus(shares.closed, cellOf(known)),
  };
}

/** Keys of all partitions so far. */
export function assigned({ partitions }: Shares): Keys {
  return Object.values(partitions).reduce(
    (sum, { all }) => ({
      stable: sum.stable + all.stable,
      canary: sum.canary + all.canary,
      excluded: sum.excluded + all.excluded,
    }),
    none,
  );
}

export interface Arrived {
  /** Units in the evidence, and those that are under way. */
  readonly units: ByArm<number>;
  readonly open: ByArm<number>;
}

/** Chance of shares like these when everything works; undefined while there are too few keys. */
export function sampleRatioP(shares: Shares, arrived: Arrived): number | undefined {
  let sum = shares.closed;
  for (const share of Object.values(shares.partitions)) sum = plus(sum, cellOf(share));
  sum = plus(sum, missing(assigned(shares), arrived));
  return sum.cells === 0 ? undefined : chiSquareAbove(sum.chiSquare, sum.cells);
}

const plus = (left: Cells, right: Cells): Cells => ({
  chiSquare: left.chiSquare + right.chiSquare,
  cells: left.cells + right.cells,
});
const noCell: Cells = { chiSquare: 0, cells: 0 };

function cellOf({ weightBps, cell: { stable, canary } }: Share): Cells {
  const [n, weight] = [stable + canary, weightBps / weightMax];
  if (n * Math.min(weight, 1 - weight) < expectedMin) return noCell;
  return { chiSquare: (canary - n * weight) ** 2 / (n * weight * (1 - weight)), cells: 1 };
}

/** Whether as many of both arms are missing: assigned, but neither in the evidence nor under way. */
function missing(keys: Keys, { units, open }: Arrived): Cells {
  const gone = (arm: 'stable' | 'canary'): number => Math.max(0, keys[arm] - units[arm] - open[arm]);
  const [stable, canary] = [gone('stable'), gone('canary')];
  const total = keys.stable + keys.canary;
  const rate = (stable + canary) / total;
  const expected = keys.canary * rate;
  if (!(Math.min(keys.stable, keys.canary) * Math.min(rate, 1 - rate) >= expectedMin)) return noCell;
  const chiSquare = (canary - expected) ** 2 / (rate * (1 - rate) * ((keys.stable * keys.canary) / total));
  return { chiSquare, cells: 1 };
}
