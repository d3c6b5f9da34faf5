// Owns: one connection to nats-server, in one account, for ever: it reconnects until it is closed.
import {
  type Authenticator,
  connect,
  type NatsConnection,
  PermissionViolationError,
  type Status,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { SignalboxError } from '../../api/errors.ts';

export interface ConnectOptions {
  /** `nats://host:port`, or several. */
  readonly url: string | readonly string[];
  /** With `token`: the account that is asked for. */
  readonly user?: string;
  readonly password?: string;
  /** Asked again for every connect: projected tokens are replaced while a process lives. */
  readonly token?: () => string | Promise<string>;
  /** Shown by the server and in messages: process and pod. */
  readonly name: string;
  /** In messages only: which account this connection is meant to be in. */
  readonly account?: string;
  /** Below `_INBOX`; default `_INBOX`. Servers of requests answer nowhere else. */
  readonly inboxPrefix?: string;
  /** Of the streams, buckets and objects on disk that are made over this connection; default 1. */
  readonly replicas?: number;
  /** Keep trying until the first connect; default 30,000 ms, then reject. */
  readonly connectTimeoutMs?: number;
}

const PING_INTERVAL_MS = 10_000;
const RECONNECT_WAIT_MS = 250;
const CONNECT_TIMEOUT_MS = 30_000;

export interface Link {
  readonly connection: NatsConnection;
  readonly name: string;
  onReconnect(callback: () => void): () => void;
  /** The server did not let a message to this subject through. */
  onForbidden(callback: (subject: string, error: Error) => void): void;
  problem(): string | undefined;
}

/** Connects, and watches the connection. */
export async function openLink(options: ConnectOptions): Promise<Link> {
  if (options.inboxPrefix !== undefined && !/^_INBOX(\.[A-Za-z0-9_-]+)*$/.test(options.inboxPrefix)) {
    throw new SignalboxError(
      'CONFIG_INVALID',
      `inboxPrefix is "${options.inboxPrefix}"; allowed is _INBOX or a subject below it, such as _INBOX.worker-1`,
    );
  }
  const connection = await connectWithin(options);
  return watched(connection, options);
}

async function connectWithin(options: ConnectOptions): Promise<NatsConnection> {
  const until = performance.now() + (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
  const authenticator = await credentials(options);
  for (;;) {
    try {
      return await connect({
        servers: typeof options.url === 'string' ? options.url : [...options.url],
        name: options.name,
        ...(authenticator === undefined ? {} : { authenticator }),
        ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_WAIT_MS,
        reconnectJitter: 100,
        pingInterval: PING_INTERVAL_MS,
        maxPingOut: 2,
        ignoreAuthErrorAbort: true,
        // Each request would capture two stacks; failures are told in our own words.
        noAsyncTraces: true,
        timeout: 5_000,
      });
    } catch (cause) {
      if (performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_WAIT_MS));
        continue;
      }
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SignalboxError(
        'BUS_UNREACHABLE',
        `NATS at ${String(options.url)} did not accept ${options.name}: ${why}. Check that it runs and that the credentials are right.`,
        { cause },
      );
    }
  }
}

async function credentials(options: ConnectOptions): Promise<Authenticator | undefined> {
  const { token, user, password } = options;
  if (token !== undefined) {
    let current = await token();
    const refresh = async (answer: Promise<string>): Promise<void> => {
      try {
        current = await answer;
      } catch {
        // The last token is tried again; the next attempt asks once more.
      }
    };
    const fresh = (): string => {
      const answer = token();
      if (typeof answer === 'string') return answer;
      void refresh(answer);
      return current;
    };
    // With a user, the token goes as its password: the auth callout takes the user as the account that is asked for.
    return user === undefined ? tokenAuthenticator(fresh) : usernamePasswordAuthenticator(user, fresh);
  }
  return user === undefined ? undefined : usernamePasswordAuthenticator(user, password ?? '');
}

function watched(connection: NatsConnection, options: ConnectOptions): Link {
  const listeners = new Set<() => void>();
  const refused = new Set<(subject: string, error: Error) => void>();
  const where = `NATS${options.account === undefined ? '' : ` (account ${options.account})`}`;
  let trouble: string | undefined;
  const note = (status: Status): void => {
    if (status.type === 'disconnect' || status.type === 'reconnecting' || status.type === 'staleConnection') {
      trouble ??= `${where} is not connected`;
    } else if (status.type === 'reconnect') {
      trouble = undefined;
      for (const listener of listeners) listener();
    } else if (status.type === 'close') {
      trouble = `the connection to ${where} is closed`;
    } else if (status.type === 'error' && status.error instanceof PermissionViolationError) {
      const { operation, subject } = status.error;
      if (operation === 'publish') for (const tell of refused) tell(subject, status.error);
    }
  };
  void (async () => {
    for await (const status of connection.status()) note(status);
    trouble = `the connection to ${where} is closed`;
  })();
  return {
    connection,
    name: options.name,
    onReconnect(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    onForbidden: (callback) => void refused.add(callback),
    problem: () => trouble,
  };
}

/** For what is asked of the server itself: rejects as soon as the connection is a new one, since the answer over the old one is lost. */
export async function unlessReconnected<T>(link: Link, asked: Promise<T>): Promise<T> {
  const lost = Promise.withResolvers<never>();
  const unlisten = link.onReconnect(() => lost.reject(new Error('the connection was lost before the answer came')));
  try {
    return await Promise.race([asked, lost.promise]);
  } finally {
    unlisten();
    // Whichever is late has nobody left to tell.
    lost.promise.catch(() => undefined);
    asked.catch(() => undefined);
  }
}
