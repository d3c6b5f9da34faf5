// Owns: messages between processes, and the buckets they share.

export interface Request {
  readonly subject: string;
  readonly payload: unknown;
}

export interface Subscription {
  stop(): Promise<void>;
}

export interface Task {
  readonly subject: string;
  readonly payload: unknown;
  /** Why the payload cannot be read; then `payload` is the text as it came. */
  readonly malformed?: string;
  readonly deliveries: number;
  ack(): void;
  /** Give it back, to be delivered again after `delayMs`. */
  nak(delayMs: number): void;
  /** Still at work: resets the redelivery timer. */
  working(): void;
}

/** One connection, in one account. Payloads are JSON. Every call has a deadline; failures are BUS_UNREACHABLE or TIMEOUT. */
export interface Bus {
  /** Core request/reply. `timeoutMs` covers the whole call; no responders → BUS_UNREACHABLE at once. */
  request<T>(subject: string, payload: unknown, timeoutMs: number): Promise<T>;
  /**
   * Like `request`, to whoever serves every last token at this subject. Asks of one moment that differ in the last token only
   * share a message; each is answered, or refused, by itself and as soon as it can be.
   */
  ask<T>(subject: string, payload: unknown, timeoutMs: number): Promise<T>;
  /**
   * Serves requests; what `answer` resolves with is sent back. Replies go only to `_INBOX.` subjects: reply subjects are not
   * permission-checked by the server. `maxParallel` bounds the requests at work.
   */
  serve(
    subject: string,
    answer: (request: Request) => Promise<unknown>,
    options: { queue?: string; maxParallel: number },
  ): Subscription;
  /** Publishes to a stream and waits for the acknowledgement. `id` deduplicates within the stream's window. */
  publish(subject: string, payload: unknown, options?: { id?: string }): Promise<void>;
  /** Pull consumer: at most `slots` tasks at once. */
  consume(stream: string, consumer: string, slots: number, work: (task: Task) => Promise<void>): Subscription;
  bucket<T>(name: string, options?: BucketOptions): Promise<Bucket<T>>;
  blobs(): Promise<Blobs>;
  /** Calls back on each reconnect. */
  onReconnect(callback: () => void): void;
  /** `undefined` when connected, else why not. */
  problem(): string | undefined;
  close(): Promise<void>;
}

/** Whether a connection is there, told by what it listens to: seen at once when it breaks, without its help. */
export interface Presence {
  /** Listens there and says nothing. */
  show(subject: string): Subscription;
  /** True when certainly nobody listens there; false also when that cannot be known within `waitMs`. */
  absent(subject: string, waitMs: number): Promise<boolean>;
}

export interface BucketOptions {
  /** Lost with the server; its owner writes it again. Default: on disk. */
  readonly memory?: boolean;
  /** Entries vanish this long after their last write. */
  readonly ttlMs?: number;
  readonly maxBytes?: number;
}

export interface Entry<T> {
  readonly key: string;
  readonly value: T;
  readonly revision: number;
}

export interface Bucket<T> {
  get(key: string): Promise<Entry<T> | undefined>;
  put(key: string, value: T): Promise<number>;
  /** Compare-and-set (0: must not exist); undefined when somebody else wrote first. */
  update(key: string, value: T, expectedRevision: number): Promise<number | undefined>;
  delete(key: string): Promise<void>;
  keys(): Promise<readonly string[]>;
  /** Entries whose key fits a pattern of subject tokens (`a.*`, `>`), the oldest first; at most `limit`, newer than revision `after`. */
  matching(pattern: string, limit: number, after?: number): Promise<readonly Entry<T>[]>;
  /** First every current entry, then `{kind:'Synced'}`, then changes; survives reconnects. */
  watch(
    signal: AbortSignal,
  ): AsyncIterable<
    | { readonly kind: 'Put'; readonly entry: Entry<T> }
    | { readonly kind: 'Delete'; readonly key: string; readonly revision: number }
    | { readonly kind: 'Synced' }
  >;
}

/** Content by digest (`sha256:<hex>`). */
export interface Blobs {
  put(digest: string, bytes: Uint8Array): Promise<void>;
  get(digest: string): Promise<Uint8Array | undefined>;
}

/** Only the operator makes streams and consumers. */
export interface BusAdmin {
  ensureStreams(partitions: number): Promise<void>;
  ensureTaskStreams(): Promise<void>;
  ensureTaskConsumer(name: string, subject: string, maxAckPending: number): Promise<void>;
  taskConsumers(): Promise<
    readonly {
      readonly name: string;
      readonly subject: string;
      readonly pending: number;
      readonly unacknowledged: number;
    }[]
  >;
  deleteTaskConsumer(name: string): Promise<void>;
}
