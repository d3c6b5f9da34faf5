// Owns: which call of a trial meets which fault. Drawn from the seed of the trial, so that the same trial breaks in the same way.
import type { Fault } from '../../api/v1alpha1/scenario.ts';
import { digest } from '../canonical/canonical.ts';

export interface CallPlace {
  readonly tool?: string;
  readonly model?: string;
  /** 1, 2, … among the calls of that tool or model in the trial. */
  readonly occurrence: number;
}

export interface MetFault {
  /** Position in the list. */
  readonly index: number;
  readonly fault: Fault;
}

/** The first that acts there; undefined when all goes well. */
export function faultAt(faults: readonly Fault[], place: CallPlace, seed: number): MetFault | undefined {
  const index = faults.findIndex((fault, position) => meets(fault, position, place, seed));
  const fault = faults[index];
  return fault === undefined ? undefined : { index, fault };
}

function meets(fault: Fault, position: number, { tool, model, occurrence }: CallPlace, seed: number): boolean {
  const here = fault.tool === undefined ? fault.model === model : fault.tool === tool;
  const from = fault.occurrence ?? 1;
  if (!here || occurrence < from) return false;
  if (fault.chance === undefined) return occurrence < from + (fault.times ?? 1);
  return drawn({ seed, position, occurrence }) < Number(fault.chance);
}

/** From 0 to 1, the same for the same words. */
function drawn(words: Readonly<Record<string, number>>): number {
  return (
    Number.parseInt(
      digest(words)
        .replace(/^sha256:/, '')
        .slice(0, 12),
      16,
    ) /
    16 ** 12
  );
}

/** Each trial of a scenario has a seed of its own. */
export const seedOf = (seed: number | undefined, trial: number): number =>
  ((seed ?? 1) + (trial - 1) * 7_919) % 2_147_483_648;
