// Owns: the rollouts that are played for every judge, and what is counted.
import { type End, type Judge, Kayenta, Ours, type Played, Threshold, unitsMax } from './judges.ts';
import { Keys, type Traffic } from './traffic.ts';

export interface Setting {
  readonly name: string;
  readonly traffic: Traffic;
  /** What is wrong here. */
  readonly wrong: End;
}

export const bounds = { falseRollback: 0.05, badPromoted: 0.01 };

const one = { runsPerKey: 1, alike: 0 };
/** Eight tasks of a user, half of whose variance is the user's. */
const eight = { runsPerKey: 8, alike: 0.5 };
const bundles = (stable: number, canary: number) => ({ stable: { good: stable }, canary: { good: canary } });

export const settings: readonly Setting[] = [
  { name: 'identical', traffic: { ...bundles(0.9, 0.9), ...one }, wrong: 'rolledBack' },
  { name: 'bad', traffic: { ...bundles(0.9, 0.75), ...one }, wrong: 'promoted' },
  { name: 'identical, 8 runs a key', traffic: { ...bundles(0.9, 0.9), ...eight }, wrong: 'rolledBack' },
  { name: 'bad, 8 runs a key', traffic: { ...bundles(0.9, 0.75), ...eight }, wrong: 'promoted' },
];

const poll = { atLeast: 0.85, tasks: 20, checks: 10, countsSuccesses: false };
export const ours = 'Signalbox';
export const judges: Readonly<Record<string, (traffic: Traffic) => Judge>> = {
  [ours]: ({ runsPerKey }) => new Ours(runsPerKey > 1),
  'Argo: ≥ .85 of 20, failureLimit 0': () => new Threshold({ ...poll, failuresMax: 0 }),
  'Argo: ≥ .85 of 20, failureLimit 2': () => new Threshold({ ...poll, failuresMax: 2 }),
  'Argo, tuned: ≥ .75 of 20, failureLimit 2': () => new Threshold({ ...poll, atLeast: 0.75, failuresMax: 2 }),
  'Flagger: ≥ .85 of 20, threshold 5': () => new Threshold({ ...poll, failuresMax: 4, countsSuccesses: true }),
  'Kayenta, a point per task': () => new Kayenta(1, 40, 5),
  'Kayenta, a point per 10 tasks': () => new Kayenta(10, 40, 5),
};

export interface Counted {
  readonly judge: string;
  readonly ends: Readonly<Record<End, number>>;
  /** Units of the canary until the end that is right, the median. */
  readonly medianUnits: number | undefined;
}

export interface Measured {
  readonly setting: Setting;
  readonly rollouts: number;
  readonly counted: readonly Counted[];
}

/** More keys than any judge can need. */
const keysMax = 20_000;

/** The same keys for judges that ask for the same weights; each ends where it ends. */
export function play(makes: readonly Judge[], traffic: Traffic, seed: number): readonly Played[] {
  const keys = new Keys(traffic, seed);
  const played: Played[] = makes.map(() => ({ end: 'undecided', units: unitsMax }));
  const open = new Set(makes.keys());
  let units = 0;
  for (let count = 0; count < keysMax && open.size > 0; count += 1) {
    const [asks = 0] = open;
    const key = keys.next(makes[asks]?.weight() ?? 0);
    units += Number(key.arm === 'canary');
    for (const at of open) {
      const end = makes[at]?.take(key);
      if (!end) continue;
      played[at] = { end, units };
      open.delete(at);
    }
  }
  return played;
}

export interface Size {
  readonly rollouts: number;
  readonly seed: number;
}

/** `others`: the other judges, too, on the same keys. */
export function measure(setting: Setting, { rollouts, seed }: Size, others = true): Measured {
  const names = Object.keys(judges).slice(0, others ? undefined : 1);
  const ends = names.map(() => ({ promoted: 0, rolledBack: 0, undecided: 0 }));
  const units: number[][] = names.map(() => []);
  for (let at = 0; at < rollouts; at += 1) {
    const made = names.flatMap((name) => judges[name]?.(setting.traffic) ?? []);
    const of = seed * 1_000_003 + at;
    // Ours asks for other weights than the others, which count tasks.
    const played = [...play(made.slice(0, 1), setting.traffic, of), ...play(made.slice(1), setting.traffic, of)];
    for (const [judge, { end, units: until }] of played.entries()) {
      const count = ends[judge];
      if (count) count[end] += 1;
      if (end !== setting.wrong && end !== 'undecided') units[judge]?.push(until);
    }
  }
  const counted = names.map((judge, at) => ({
    judge,
    ends: ends[at] ?? { promoted: 0, rolledBack: 0, undecided: 0 },
    medianUnits: median(units[at] ?? []),
  }));
  return { setting, rollouts, counted };
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)];
}

const shareOf = ({ rollouts, setting }: Measured, { ends }: Counted): number => ends[setting.wrong] / rollouts;

/** The shares of ours, named. */
export function figures(measured: readonly Measured[]): Readonly<Record<string, number>> {
  const shares = measured.map((of) => shareOf(of, of.counted[0] as Counted));
  const [falseRollback = 1, badPromoted = 1, falseRollbackCorrelated = 1, badPromotedCorrelated = 1] = shares;
  return { falseRollback, badPromoted, falseRollbackCorrelated, badPromotedCorrelated };
}

/** A sentence for each bound of ours that does not hold. */
export function broken(measured: readonly Measured[]): readonly string[] {
  return measured.flatMap((of) => {
    const [first] = of.counted;
    const bound = of.setting.wrong === 'rolledBack' ? bounds.falseRollback : bounds.badPromoted;
    if (!first || !(shareOf(of, first) > bound)) return [];
    return [
      `${of.setting.name}: ${first.ends[of.setting.wrong]} of ${of.rollouts} ${of.setting.wrong}, more than ${bound * 100} %`,
    ];
  });
}
