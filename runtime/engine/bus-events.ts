// Owns: bus events: they start runs and wake runs that wait. An event is acknowledged after everything it caused is a fact.
import { z } from 'zod';
import { isPassing, isSignalboxError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import { streams } from '../../api/messages/subjects.ts';
import { digest } from '../../core/canonical/canonical.ts';
import type { Subscription, Task } from '../../ports/bus.ts';
import type { SchemaChecks } from '../json-schema.ts';
import type { Catalog } from './catalog.ts';
import { type Owners, resultOf } from './forward.ts';
import { Inbox } from './inbox.ts';
import type { EnginePorts } from './ports.ts';
import { start } from './start.ts';
import { failpoint } from '../../ports/failpoint.ts';

/** Durable consumer of EVENTS that all engines share; the operator makes it. */
const eventsConsumer = 'engines';
const slots = 32;
const RETRY_MS = 1_000;
/** Deliveries, a second apart, after which an event that fails for itself is given up; what passes is waited for, however long. */
const deliveriesMax = 60;

const eventMessage = z.object({
  id: z.string().min(1).max(256),
  namespace: z.string().max(63),
  subject: z.string().max(128),
  key: z.string().max(256).default(''),
  payload: z.record(z.string(), z.unknown()).default({}),
  /** The person who sent it over HTTP. */
  by: z.string().max(256).optional(),
});
type EventMessage = z.infer<typeof eventMessage>;

export interface BusEventOptions {
  readonly ports: EnginePorts;
  readonly catalog: Catalog;
  readonly owners: Owners;
  readonly checks: SchemaChecks;
}

interface Consuming extends BusEventOptions {
  readonly inbox: Inbox;
}

export function consumeEvents(given: BusEventOptions): Subscription {
  const options: Consuming = { ...given, inbox: new Inbox(given.ports.control) };
  const { work } = options.ports;
  return work.consume(streams.events, eventsConsumer, slots, async (task) => {
    const parsed = eventMessage.safeParse(messageOf(task));
    if (!parsed.success) {
      await giveUp(options, task, z.prettifyError(parsed.error));
      return;
    }
    await handle(options, parsed.data, task);
  });
}

/** Namespace and subject are those it was published on, which NATS allows or not; what the message says of them counts nothing. */
function messageOf({ subject: at, payload }: Task): unknown {
  if (!isObject(payload)) return payload;
  const [, namespace = '', ...subject] = at.split('.');
  return { ...payload, namespace, subject: subject.join('.') };
}

const isObject = (payload: unknown): payload is object =>
  typeof payload === 'object' && payload !== null && !Array.isArray(payload);

/** Kept for people before it is acknowledged. */
async function giveUp({ ports }: BusEventOptions, task: Task, message: string): Promise<void> {
  const [, namespace = '', ...subject] = task.subject.split('.');
  const { id } = (isObject(task.payload) ? task.payload : {}) as { id?: unknown };
  const item = typeof id === 'string' && id !== '' ? id : digest(task.payload ?? null);
  const origin = { kind: 'event', name: subject.join('.'), item } as const;
  const cause = { code: 'INVALID_INPUT', message: task.malformed ?? message };
  try {
    await ports.deadLetters.note({ namespace, reason: 'malformed', origin, cause }, task.payload);
    ports.log.warn('a bus event cannot be read; it is a dead letter', { namespace, subject: origin.name, item });
    task.ack();
  } catch (error) {
    ports.log.warn('a bus event cannot be read, and cannot be kept; it comes again', { namespace, item, error });
    task.nak(RETRY_MS);
  }
}

async function handle(options: Consuming, event: EventMessage, task: Task): Promise<void> {
  const { log } = options.ports;
  const { id, namespace, subject } = event;
  try {
    failpoint('engine.event.received');
    // Before, nobody seems to wait for it: it would be acknowledged for nothing.
    options.catalog.assertSynced();
    await keep(options, event);
    await deliver(options, event);
    for (const workflow of options.catalog.workflows(namespace)) {
      if (!workflow.spec.triggers?.some((trigger) => trigger.event?.subject === subject)) continue;
      await startFrom(options, workflow.name, event);
    }
    failpoint('engine.event.taken');
    task.ack();
  } catch (error) {
    if (task.deliveries >= deliveriesMax && !isPassing(error)) {
      await keepForPeople(options, event, { reason: 'failing', error, attempts: task.deliveries }, task);
      return;
    }
    log.warn('a bus event could not be handled; it comes again', { id, namespace, subject, error });
    task.nak(RETRY_MS);
  }
}

/** Before it is delivered: a run that begins to wait meanwhile finds it. */
async function keep({ catalog, inbox, ports }: Consuming, event: EventMessage): Promise<void> {
  if (!catalog.waitsFor(event.namespace, event.subject)) return;
  await inbox.keep({ ...event, payload: event.payload as JsonObject, at: ports.clock.now() });
}

/** A run that waits may be in any partition. */
async function deliver({ owners }: BusEventOptions, event: EventMessage): Promise<void> {
  const all = Array.from({ length: owners.partitions }, (_, partition) =>
    owners.askPartition<{ readonly taken: number }>(partition, 'deliver', event),
  );
  for (const reply of await Promise.all(all)) resultOf(reply);
}

async function startFrom(options: BusEventOptions, workflow: string, event: EventMessage): Promise<void> {
  const { id, namespace, subject, by } = event;
  try {
    await start(options, {
      namespace,
      workflow,
      input: event.payload as JsonObject,
      requestedBy: by ?? `event:${subject}`,
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
    await noteEvent(options, event, { reason: 'unstartable', error, attempts: 1, workflow });
  }
}

interface Given {
  readonly reason: 'failing' | 'unstartable';
  readonly error: unknown;
  readonly attempts: number;
  readonly workflow?: string;
}

async function noteEvent({ ports }: BusEventOptions, event: EventMessage, given: Given): Promise<void> {
  const { namespace, subject, id } = event;
  const { reason, error, attempts, workflow } = given;
  const code = isSignalboxError(error) ? error.code : 'BUS_UNREACHABLE';
  const message = error instanceof Error ? error.message : String(error);
  const origin = { kind: 'event', name: subject, item: id, ...(workflow === undefined ? {} : { workflow }) } as const;
  await ports.deadLetters.note({ namespace, reason, origin, cause: { code, message }, attempts }, event);
}

/** Acknowledged only when it is kept. */
async function keepForPeople(options: BusEventOptions, event: EventMessage, given: Given, task: Task): Promise<void> {
  const { log } = options.ports;
  const { id, namespace, subject } = event;
  try {
    await noteEvent(options, event, given);
    log.warn('a bus event failed too often; it is a dead letter', { id, namespace, subject, error: given.error });
    task.ack();
  } catch (error) {
    log.warn('a bus event failed too often, and cannot be kept; it comes again', { id, namespace, subject, error });
    task.nak(RETRY_MS);
  }
}
