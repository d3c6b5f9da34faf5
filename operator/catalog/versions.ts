// Owns: how many open runs keep to a version of a Workflow or of an Agent's bundle, as far as engines have told.
//   I1: what is not known is not zero: every partition has to have told, having seen the catalog as it is now. From then on
//       nobody starts a run with a version that the catalog does not offer.
import type { VersionReport } from '../../api/messages/versions.ts';
import { versionReportKey } from '../../api/messages/versions.ts';
import type { Caches } from '../controller/controller.ts';
import { type CatalogEntry, type Projected, VERSION_REPORT } from './objects.ts';

export interface OpenRuns {
  /** Open runs by digest, of what has been told. */
  readonly open: ReadonlyMap<string, number>;
  /** Every partition has told since the catalog is as it is: a digest that is not there has no open runs and gets none. */
  readonly whole: boolean;
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
    let whole = true;
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      const report = reports.get({ name: versionReportKey(partition) })?.value;
      if (report === undefined || report.catalog < since) whole = false;
      for (const [digest, runs] of Object.entries(report?.[kind][`${namespace}/${name}`] ?? {})) {
        open.set(digest, (open.get(digest) ?? 0) + runs);
      }
    }
    return { open, whole };
  }
}
