// Owns: telling how the runs of a rollout fared, from folded state (verb `outcomes`). Nothing is told before it is a fact.
import { z } from 'zod';
import type { OutcomesReply } from '../../api/messages/rollout.ts';
import { outcomeOf } from '../../core/rollout/fared.ts';
import type { Catalog } from './catalog.ts';
import type { Serving } from './serving.ts';

/** An outcome has some 500 bytes, an answer at most 1 MiB. */
const outcomesMax = 1_000;
const outcomesQuery = z.object({
  rollout: z.string().min(1).max(64),
  after: z.number().min(0),
  max: z.int().min(1).max(outcomesMax),
});

export async function outcomes(
  { partition }: Pick<Serving, 'partition'>,
  payload: unknown,
  catalog: Pick<Catalog, 'revision'>,
): Promise<OutcomesReply> {
  const { rollout, after, max } = outcomesQuery.parse(payload);
  // Whoever wrote before this owner writes no more: what is told of the catalog holds for every start from here on.
  await partition.fence();
  const { rollouts } = partition.writer;
  const { runs, cursor, more } = rollouts.after(rollout, after, max);
  const told = runs.flatMap((run) => {
    const state = partition.table.peek(run);
    return (state === undefined ? undefined : outcomeOf(state, rollout)) ?? [];
  });
  const reply = {
    ok: true,
    outcomes: told,
    cursor,
    more,
    keys: rollouts.keys(rollout),
    catalog: catalog.revision,
  } as const;
  // A run may have gone on since its last fact: what is told of that is a fact, too, when it is told.
  await partition.settled();
  return reply;
}
