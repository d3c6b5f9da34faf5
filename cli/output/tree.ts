// Owns: a run with its children and theirs, as lines of a tree.
import type { RunOutcome } from '../../api/messages/family.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import { oneLine } from './style.ts';
import { standing } from './run.ts';

export interface FamilyTree {
  readonly child: string;
  readonly run: string;
  readonly workflow: string;
  /** Undefined while it is not started. */
  readonly summary?: RunSummary;
  readonly outcome?: RunOutcome;
  readonly children: readonly FamilyTree[];
}

/** Runs that one tree names; each is asked for. */
const nodesMax = 100;

/** `show`: undefined where there is no such run. */
export async function familyOf(
  run: RunSummary,
  show: (run: string) => Promise<RunSummary | undefined>,
): Promise<readonly FamilyTree[]> {
  let left = nodesMax;
  const below = async ({ children = [] }: RunSummary): Promise<readonly FamilyTree[]> => {
    const some = children.slice(0, left);
    left -= some.length;
    return Promise.all(
      some.map(async ({ child, run: id, workflow, outcome }) => {
        const summary = await show(id);
        return {
          child,
          run: id,
          workflow,
          ...(summary === undefined ? {} : { summary }),
          ...(outcome === undefined ? {} : { outcome }),
          children: summary === undefined ? [] : await below(summary),
        };
      }),
    );
  };
  return below(run);
}

export function treeLines(family: readonly FamilyTree[], indent = ''): readonly string[] {
  return family.flatMap((node, index) => {
    const last = index === family.length - 1;
    const line = oneLine(
      `${indent}${last ? '└' : '├'} ${node.child}: run ${node.run} of ${node.workflow}, ${words(node)}`,
    );
    return [line, ...treeLines(node.children, `${indent}${last ? ' ' : '│'} `)];
  });
}

function words({ summary, outcome }: FamilyTree): string {
  if (summary === undefined) return outcome ?? 'not started yet';
  return `${standing(summary)}${summary.status === 'Closed' || summary.state === '' ? '' : ` in ${summary.state}`}`;
}
