// Owns: how many open runs keep to a version of a Workflow or of an Agent's bundle, as far as engines have told.
//   I1: what is not known is not zero: every partition has to have told, having seen the catalog as it is now. From then on
//       nobody starts a run with a version that the catalog does not offer.
import type { VersionReport } from '../../api/messages/versions.ts';
import { versionReportKey } from '../../api/messages/versions.ts';
import type { Caches } from '../controller/controller.ts';
import { type CatalogEntry, type Projected, VERSION_REPORT } from './objects.ts';
import { listed } from './verdict.ts';

export interface OpenRuns {
  /** Open runs by digest, of what has been told. */
  readonly open: ReadonlyMap<string, number>;
  /** Partitions that have not told since the catalog is as it is. None: a digest that is not there has no open runs and gets none. */
  readonly untold: readonly number[];
}

const namedMax = 5;

/** Who has not told, and where somebody looks whom that wakes up. */
export function untoldText(untold: readonly number[]): string {
  const more = untold.length - namedMax;
  const named = [...untold.slice(0, namedMax).map(String), ...(more > 0 ? [`${more} more`] : [])];
  const [partitions, have, them] = untold.length === 1 ? ['partition', 'has', 'it'] : ['partitions', 'have', 'them'];
  return `${partitions} ${listed(named)} ${have} not told yet; if that stays so, no engine serves ${them}: look at Deployment signalbox-engine and the logs of its pods`;
}

export interface Offered {
  readonly namespace: string;
  readonly name: string;
  /** The entry that says which version new runs get; undefined: none is offered. */
  readonly current: CatalogEntry | undefined;
}

export class VersionLook {
  readonly #catalog: { readonly revision: number };
  readonly #partitions: number;

  /** `catalog`: the operator's own copy of it. */
  constructor(catalog: { readonly revision: number }, partitions: number) {
    this.#catalog = catalog;
    this.#partitions = partitions;
  }

  workflows(offered: Offered, caches: Caches): OpenRuns {
    return this.#look('workflows', offered, caches);
  }

  bundles(offered: Offered, caches: Caches): OpenRuns {
    return this.#look('bundles', offered, caches);
  }

  #look(kind: 'workflows' | 'bundles', { namespace, name, current }: Offered, caches: Caches): OpenRuns {
    const reports = caches.of<Projected<VersionReport>>(VERSION_REPORT);
    const since = current === undefined ? this.#catalog.revision : Number(current.metadata.resourceVersion);
    const open = new Map<string, number>();
    const untold: number[] = [];
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      const report = reports.get({ name: versionReportKey(partition) })?.value;
      if (report === undefined || report.catalog < since) untold.push(partition);
      for (const [digest, runs] of Object.entries(report?.[kind][`${namespace}/${name}`] ?? {})) {
        open.set(digest, (open.get(digest) ?? 0) + runs);
      }
    }
    return { open, untold };
  }
}
