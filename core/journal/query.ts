// Owns: which runs of a partition are asked for.

export interface RunQuery {
  readonly namespace?: string | undefined;
  readonly workflow?: string | undefined;
  readonly status?: string | undefined;
  /** Started within: both inclusive. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}
