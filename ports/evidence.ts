// Owns: the log of what the verdicts of a rollout rest on: only ever appended to, in account CONTROL.
import type { EvidenceRecord } from '../api/messages/evidence.ts';

export interface EvidenceRead {
  readonly records: readonly EvidenceRecord[];
  /** Position of the last one; 0: there is none. */
  readonly position: number;
}

export interface EvidenceLog {
  /** All records of a rollout, by its uid. What cannot be read is there, as a record of no known type. */
  read(rollout: string): Promise<EvidenceRead>;
  /**
   * Appends them as one, and only when `position` is still the last; resolves with the new position. Undefined: somebody else has
   * appended, or nobody knows whether this is stored: read again. Rejects with OVERLOADED at the bound of the log.
   */
  append(rollout: string, records: readonly EvidenceRecord[], position: number): Promise<number | undefined>;
}
