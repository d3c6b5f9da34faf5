// Owns: the bus over one connection: requests, streams, buckets, blobs.
import {
  jetstream,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  type PubAck,
} from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import type { Blobs, Bus } from '../../ports/bus.ts';
import { natsBlobs } from './blobs.ts';
import { natsBucket } from './bucket.ts';
import { type ConnectOptions, type Link, openLink, unlessReconnected } from './connection.ts';
import { consume } from './consume.ts';
import { busFailure } from './failure.ts';
import { Requests } from './requests.ts';
import { Answers, serve } from './serve.ts';

/** What the other parts of this adapter build on. */
export interface NatsBus extends Bus {
  readonly link: Link;
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  /** Of what is made on disk. */
  readonly replicas: number;
}

const PUBLISH_TIMEOUT_MS = 5_000;

type ApiFailure = { readonly error: ConstructorParameters<typeof JetStreamApiError>[0] };

function headersWith(id: string | undefined): MsgHdrs | undefined {
  if (id === undefined) return undefined;
  const fields = headers();
  fields.set('Nats-Msg-Id', id);
  return fields;
}

/** Connects to one account; rejects with BUS_UNREACHABLE when that does not work within the time allowed. */
export async function connectNats(options: ConnectOptions): Promise<NatsBus> {
  const link = await openLink(options);
  const { connection } = link;
  const js = jetstream(connection);
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const replicas = options.replicas ?? 1;
  const requests = new Requests(link, options.inboxPrefix);
  const answers = new Answers(connection);
  let blobs: Promise<Blobs> | undefined;
  return {
    replicas,
    link,
    connection,
    jetstream: js,
    manager,
    request: (subject, payload, timeoutMs) => requests.request(subject, payload, timeoutMs),
    ask: (subject, payload, timeoutMs) => requests.ask(subject, payload, timeoutMs),
    serve: (subject, answer, served) => serve({ connection, answers, subject, answer, ...served }),
    async publish(subject, payload, { id } = {}) {
      const asked = requests.request<PubAck | ApiFailure>(subject, payload, PUBLISH_TIMEOUT_MS, headersWith(id));
      const ack = await unlessReconnected(link, asked).catch((error: unknown) =>
        Promise.reject(busFailure(error, `publish ${subject}`)),
      );
      if ('error' in ack) throw busFailure(new JetStreamApiError(ack.error), `publish ${subject}`);
    },
    consume: (stream, consumer, slots, work) =>
      consume({ link, inboxPrefix: options.inboxPrefix, stream, consumer, slots, work }),
    bucket: (name, bucketOptions) => natsBucket({ js, manager, link, replicas }, name, bucketOptions),
    blobs: () =>
      (blobs ??= natsBlobs({ js, manager, link, replicas }).catch((error: unknown) => {
        // NATS was away: whoever asks next tries again.
        blobs = undefined;
        throw error;
      })),
    onReconnect: (callback) => void link.onReconnect(callback),
    problem: () => link.problem(),
    close: () => connection.close(),
  };
}
