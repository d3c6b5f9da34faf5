// Owns: what a plan may change on the bus: entries of the catalog and task consumers. The plan compares first; carrying out
// twice does no harm.
import { canonicalJson } from '../../core/canonical/canonical.ts';
import type { Bucket, BusAdmin } from '../../ports/bus.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { BucketInformer } from './bucket-informer.ts';
import type { ConsumerInformer } from './consumer-informer.ts';
import type { CatalogEntry } from './objects.ts';

export type BusCommand =
  | { readonly kind: 'publish'; readonly key: string; readonly value: unknown }
  | { readonly kind: 'withdraw'; readonly key: string }
  | { readonly kind: 'ensureConsumer'; readonly name: string; readonly subject: string }
  | { readonly kind: 'deleteConsumer'; readonly name: string };

/** Nothing when the catalog already says so. */
export function publish(key: string, value: unknown, entry: CatalogEntry | undefined): readonly BusCommand[] {
  const same = entry !== undefined && canonicalJson(entry.value) === canonicalJson(value);
  return same ? [] : [{ kind: 'publish', key, value }];
}

export const withdraw = (key: string, entry: CatalogEntry | undefined): readonly BusCommand[] =>
  entry === undefined ? [] : [{ kind: 'withdraw', key }];

export interface BusPerformer {
  readonly catalog: () => Promise<Bucket<unknown>>;
  readonly entries: BucketInformer<unknown>;
  readonly admin: BusAdmin;
  readonly consumers: ConsumerInformer;
  /** Tasks of one consumer at work at once. */
  readonly maxAckPending: number;
}

export function performOnBus(bus: BusPerformer): (command: BusCommand) => Promise<void> {
  const perform = async (command: BusCommand): Promise<void> => {
    switch (command.kind) {
      case 'publish': {
        const revision = await (await bus.catalog()).put(command.key, command.value);
        bus.entries.wrote(command.key, command.value, revision);
        return;
      }
      case 'withdraw':
        bus.entries.forgetting(command.key);
        await (await bus.catalog()).delete(command.key);
        bus.entries.forgot(command.key);
        return;
      case 'ensureConsumer':
        await bus.admin.ensureTaskConsumer(command.name, command.subject, bus.maxAckPending);
        bus.consumers.wrote(command.name);
        return;
      case 'deleteConsumer':
        await bus.admin.deleteTaskConsumer(command.name);
        bus.consumers.forgot(command.name);
        return;
    }
  };
  return async (command) => {
    failpoint('operator.bus.before', command.kind);
    await perform(command);
    failpoint('operator.bus.done', command.kind);
  };
}
