// Owns: what engines tell operators about versions: how many open runs keep to which one.

/** `<namespace>/<name>` of a Workflow or an Agent → digest of the workflow or bundle → open runs. What is not there has none. */
export type RunsByVersion = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface VersionCounts {
  readonly workflows: RunsByVersion;
  /** By agent. */
  readonly bundles: RunsByVersion;
}

/**
 * Bucket `versions`, key `p<partition>`: the open runs of one partition. A version that nobody can start any more has none for
 * ever once each partition has said so, having seen the catalog without it.
 */
export interface VersionReport extends VersionCounts {
  readonly partition: number;
  /** The record of the journal that it stands at, at least: an older report never replaces a newer one. */
  readonly seq: number;
  /** Revision of the catalog that the engine had seen: a later start goes by this one or a newer one. */
  readonly catalog: number;
}

export const versionReportKey = (partition: number): string => `p${partition}`;
