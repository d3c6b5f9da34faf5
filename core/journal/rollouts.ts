// Owns: which runs of a partition belong to which rollout, in the order of their last facts. Derived from the runs of the table.
//   L1: a run is here from the commit of its first event until it is forgotten, also over a checkpoint.
//   L2: each has a place of its own above the record before its last one and up to it, the same for whoever folds the journal. Those
//       of a checkpoint have their last record there: they may be told twice, never not at all.
import type { OutcomesReply } from '../../api/messages/rollout.ts';
import type { RunRole } from '../rollout/fared.ts';

export type RunRoles = readonly (readonly [rollout: string, role: RunRole])[];

type Keys = { -readonly [Kind in keyof OutcomesReply['keys']]: OutcomesReply['keys'][Kind] };

interface RolloutRuns {
  /** Run → its place; the oldest change first. */
  readonly places: Map<string, number>;
  readonly keys: Keys;
}

export interface ChangedRuns {
  readonly runs: readonly string[];
  readonly cursor: number;
  readonly more: boolean;
}

/** Runs of one record, or checkpoint, that have places of their own; exact for the first 2^31 records. */
const placesMax = 2 ** 21;

export class Rollouts {
  readonly #rollouts = new Map<string, RolloutRuns>();
  #seq = 0;
  /** Places that are taken in this record. */
  #taken = 0;

  /** Facts of the run are in this record, which is not older than the one before. */
  changed(run: string, roles: RunRoles, seq: number): void {
    if (roles.length === 0) return;
    if (seq !== this.#seq) [this.#seq, this.#taken] = [seq, 0];
    this.#taken = Math.min(placesMax, this.#taken + 1);
    for (const [rollout, role] of roles) {
      const known = this.#rollouts.get(rollout) ?? noRuns();
      this.#rollouts.set(rollout, known);
      if (!known.places.delete(run)) count(known.keys, role, 1);
      known.places.set(run, seq - 1 + this.#taken / placesMax);
    }
  }

  /** The run is forgotten. */
  dropped(run: string, roles: RunRoles): void {
    for (const [rollout, role] of roles) {
      const known = this.#rollouts.get(rollout);
      if (known?.places.delete(run) !== true) continue;
      count(known.keys, role, -1);
      if (known.places.size === 0) this.#rollouts.delete(rollout);
    }
  }

  /** At most `max` runs whose place is beyond this one, the oldest change first. */
  after(rollout: string, place: number, max: number): ChangedRuns {
    const runs: string[] = [];
    let cursor = place;
    for (const [run, at] of this.#rollouts.get(rollout)?.places ?? []) {
      if (at <= place) continue;
      if (runs.length >= max) return { runs, cursor, more: true };
      runs.push(run);
      cursor = at;
    }
    return { runs, cursor, more: false };
  }

  keys(rollout: string): OutcomesReply['keys'] {
    return { ...(this.#rollouts.get(rollout)?.keys ?? noKeys) };
  }

  runs(rollout: string): number {
    return this.#rollouts.get(rollout)?.places.size ?? 0;
  }
}

const noKeys: OutcomesReply['keys'] = { stable: 0, canary: 0, excluded: 0 };
const noRuns = (): RolloutRuns => ({ places: new Map(), keys: { ...noKeys } });

function count(keys: Keys, role: RunRole, by: 1 | -1): void {
  if (role === 'stable/first') keys.stable += by;
  else if (role === 'canary/first') keys.canary += by;
  else if (role === 'excluded') keys.excluded += by;
}
