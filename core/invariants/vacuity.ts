// Owns: whether a check saw enough to mean anything. A check without operations, faults or recoveries has not passed.
import type { Fact } from './facts.ts';

export interface Wanted {
  /** Acknowledged requests; default 1. */
  readonly operations?: number;
  /** Times each of these faults was taken at least once. */
  readonly faults?: readonly string[];
  /** Recoveries; default 1. */
  readonly recoveries?: number;
  /** Effects at tools; default 1. */
  readonly effects?: number;
  /** Types of events that must occur. */
  readonly events?: readonly string[];
}

export interface Coverage {
  operations: number;
  effects: number;
  recoveries: number;
  readonly faults: Map<string, number>;
  readonly events: Map<string, number>;
}

export const noCoverage = (): Coverage => ({
  operations: 0,
  effects: 0,
  recoveries: 0,
  faults: new Map(),
  events: new Map(),
});

const count = (counts: Map<string, number>, name: string, by = 1): void => {
  counts.set(name, (counts.get(name) ?? 0) + by);
};

export function cover(coverage: Coverage, fact: Fact): void {
  if (fact.kind === 'Acknowledged') coverage.operations += 1;
  if (fact.kind === 'Applied' && fact.effect !== 'read') coverage.effects += 1;
  if (fact.kind === 'Recovered') coverage.recoveries += 1;
  if (fact.kind === 'Faulted') count(coverage.faults, fact.fault);
  if (fact.kind !== 'Appended') return;
  for (const { events } of fact.record.runs) for (const { type } of events) count(coverage.events, type);
}

export const coverageOf = (facts: readonly Fact[]): Coverage => {
  const coverage = noCoverage();
  for (const fact of facts) cover(coverage, fact);
  return coverage;
};

/** Adds what another part of the same check saw. */
export function addCoverage(to: Coverage, more: Coverage): void {
  to.operations += more.operations;
  to.effects += more.effects;
  to.recoveries += more.recoveries;
  for (const [name, times] of more.faults) count(to.faults, name, times);
  for (const [name, times] of more.events) count(to.events, name, times);
}

/** Why the check proves nothing; empty when it does. */
export function vacuous(seen: Coverage, wanted: Wanted): readonly string[] {
  const { operations = 1, recoveries = 1, effects = 1, faults = [], events = [] } = wanted;
  const problems: string[] = [];
  const atLeast = (found: number, least: number, what: string): void => {
    if (found < least) problems.push(`${found} ${what}, wanted are at least ${least}`);
  };
  atLeast(seen.operations, operations, 'acknowledged operations');
  atLeast(seen.effects, effects, 'effects at tools');
  atLeast(seen.recoveries, recoveries, 'recoveries');
  atLeast(
    [...seen.faults.values()].reduce((sum, times) => sum + times, 0),
    1,
    'faults',
  );
  for (const fault of faults) if (!seen.faults.has(fault)) problems.push(`fault ${fault} never happened`);
  for (const type of events) if (!seen.events.has(type)) problems.push(`event ${type} never occurred`);
  return problems;
}
