// Owns: how many canary units one metric needs at alpha .05, beside the figures that the design rested on.
import { chanceFrom } from '../../core/rollout/chance.ts';
import { addUnit, evidenceOf, newComparison } from '../../core/rollout/comparison.ts';

export interface Power {
  readonly canary: number;
  readonly passMargin: number;
  /** Until harm is seen, or, with `pass`, until no harm is. */
  readonly until: 'harm' | 'pass';
  readonly share: number;
  readonly median: number | undefined;
}

/** Four stable keys to one of the canary, by chance; stable is .90. */
const canaryShare = 0.2;
const stable = 0.9;
const unitsMax = 400;
const enough = Math.log(20);

const asked: readonly (Pick<Power, 'canary' | 'passMargin' | 'until'> & { readonly design: string })[] = [
  { canary: 0.8, passMargin: 0.1, until: 'harm', design: '117 (98 %)' },
  { canary: 0.75, passMargin: 0.1, until: 'harm', design: '61 (100 %)' },
  { canary: 0.6, passMargin: 0.1, until: 'harm', design: '19 (100 %)' },
  { canary: 0.9, passMargin: 0.1, until: 'harm', design: 'at most 3.4 % are false' },
  { canary: 0.9, passMargin: 0.1, until: 'pass', design: '122 (98 %)' },
  { canary: 0.95, passMargin: 0.1, until: 'pass', design: '36' },
  { canary: 0.9, passMargin: 0.05, until: 'pass', design: '(44 %)' },
  { canary: 0.8, passMargin: 0.1, until: 'pass', design: 'at most 3.4 % are false' },
];

export function powers(plays: number, seed: number): readonly (Power & { readonly design: string })[] {
  return asked.map((of) => {
    const chance = chanceFrom(seed);
    const all = Array.from({ length: plays }, () => unitsUntil(of, chance)).toSorted((left, right) => left - right);
    const share = all.filter((units) => units <= unitsMax).length / plays;
    const median = all[Math.floor(plays / 2)] ?? Infinity;
    return { ...of, share, median: median <= unitsMax ? median : undefined };
  });
}

function unitsUntil(
  { canary, passMargin, until }: Pick<Power, 'canary' | 'passMargin' | 'until'>,
  chance: () => number,
) {
  const comparison = newComparison(false);
  let units = 0;
  while (units < unitsMax) {
    const arm = chance() < canaryShare ? 'canary' : 'stable';
    units += Number(arm === 'canary');
    const y = Number(chance() < (arm === 'canary' ? canary : stable));
    addUnit(comparison, { abortMargin: 0, passMargin }, { arm, y });
    if ((until === 'harm' ? comparison.peak : evidenceOf(comparison).pass) >= enough) return units;
  }
  return Infinity;
}

export function powerTable(plays: number, seed: number): string {
  const rows = powers(plays, seed).map(({ canary, passMargin, until, share, median, design }) => {
    const what = until === 'harm' ? 'harm' : `within ${passMargin}`;
    return `| ${canary} | ${what} | ${(share * 100).toFixed(1)} % | ${median ?? ''} | ${design} |`;
  });
  return [
    `One metric, stable ${stable}, 4 keys to 1 by chance, ${plays} plays of ${unitsMax} canary units`,
    '',
    '| canary | shown | in time | canary units, median | simulated for the design: blocks of exactly 4 and 1 |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
