// Owns: bus events: they start runs and wake runs that wait. An event is acknowledged after everything it caused is a fact.
import { z } from 'zod';
import { isSignalboxError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import { streams } from '../../api/messages/subjects.ts';
import type { Subscription, Task } from '../../ports/bus.ts';
import type { SchemaChecks } from '../json-schema.ts';
import type { Catalog } from './catalog.ts';
import { type Owners, resultOf } from './forward.ts';
import type { EnginePorts } from './ports.ts';
import { start } from './start.ts';
import { failpoint } from '../../ports/failpoint.ts';

/** Durable consumer of EVENTS that all engines share; the operator makes it. */
const eventsConsumer = 'engines';
const slots = 32;
const RETRY_MS = 1_000;

const eventMessage = z.object({
  id: z.string().min(1).max(256),
  namespace: z.string().max(63),
  subject: z.string().max(128),
  key: z.string().max(256).default(''),
  payload: z.record(z.string(), z.unknown()).default({}),
});
export type EventMessage = z.infer<typeof eventMessage>;

export interface BusEventOptions {
  readonly ports: EnginePorts;
  readonly catalog: Catalog;
  readonly owners: Owners;
  readonly checks: SchemaChecks;
}

export function consumeEvents(options: BusEventOptions): Subscription {
  const { work, log } = options.ports;
  return work.consume(streams.events, eventsConsumer, slots, async (task) => {
    const parsed = eventMessage.safeParse(task.payload);
    if (!parsed.success) {
      log.warn('a bus event without id, namespace or subject was dropped', { problem: z.prettifyError(parsed.error) });
      task.ack();
      return;
    }
    await handle(options, parsed.data, task);
  });
}

async function handle(options: BusEventOptions, event: EventMessage, task: Task): Promise<void> {
  const { log } = options.ports;
  const { id, namespace, subject } = event;
  try {
    failpoint('engine.event.received');
    // Before, nobody seems to wait for it: it would be acknowledged for nothing.
    options.catalog.assertSynced();
    await deliver(options, event);
    for (const workflow of options.catalog.workflows(namespace)) {
      if (!workflow.spec.triggers?.some((trigger) => trigger.event?.subject === subject)) continue;
      await startFrom(options, workflow.name, event);
    }
    failpoint('engine.event.taken');
    task.ack();
  } catch (error) {
    log.warn('a bus event could not be handled; it comes again', { id, namespace, subject, error });
    task.nak(RETRY_MS);
  }
}

/** A run that waits may be in any partition. */
async function deliver({ owners }: BusEventOptions, event: EventMessage): Promise<void> {
  const all = Array.from({ length: owners.partitions }, (_, partition) =>
    owners.askPartition<{ readonly taken: number }>(partition, 'deliver', event),
  );
  for (const reply of await Promise.all(all)) resultOf(reply);
}

async function startFrom(options: BusEventOptions, workflow: string, event: EventMessage): Promise<void> {
  const { id, namespace, subject } = event;
  try {
    await start(options, {
      namespace,
      workflow,
      input: event.payload as JsonObject,
      requestedBy: `event:${subject}`,
      source: 'bus',
      otherwise: `event/${id}`,
    });
  } catch (error) {
    // Sent again it would be refused again.
    const known = isSignalboxError(error, 'STALE');
    if (known)
      options.ports.log.info('the key of a bus event is that of a run with another input', { id, workflow, error });
    if (known) return;
    if (!isSignalboxError(error, 'INVALID_INPUT')) throw error;
    options.ports.log.warn('a bus event does not fit the workflow it triggers', { id, workflow, error });
  }
}
