// Owns: the list of seeded bugs.
import type { Bug } from './bug.ts';
import { effectBugs } from './effects.ts';
import { incomingBugs } from './incoming.ts';
import { journalBugs } from './journal.ts';
import { ownerBugs } from './owners.ts';
import { rolloutBugs } from './rollouts.ts';
import { workflowBugs } from './workflow.ts';

export const bugs: readonly Bug[] = [
  ...journalBugs,
  ...effectBugs,
  ...workflowBugs,
  ...incomingBugs,
  ...ownerBugs,
  ...rolloutBugs,
];
