// Owns: what a seeded bug is: a change of the real source, made while it is loaded, that the simulator must find.

import type { Scene } from '../simulation.ts';

export interface Edit {
  /** From the root of the project. */
  readonly file: string;
  /** Must occur exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Bug {
  readonly name: string;
  /** What it is in words. */
  readonly what: string;
  /** Invariants that may show it first. */
  readonly breaks: readonly string[];
  readonly edits: readonly Edit[];
  /** It takes one rare meeting: worlds of its hunt are all about that. */
  readonly scene?: Scene;
}

/** The source with the bug in it. */
export function infect(source: string, { file, find, replace }: Edit): string {
  const places = source.split(find).length - 1;
  if (places !== 1) {
    throw new Error(
      `${file}: the text of a seeded bug was found ${places} times, wanted is 1: ${JSON.stringify(find)}. Bring the bug up to date`,
    );
  }
  return source.replace(find, () => replace);
}
