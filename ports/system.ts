// Owns: time, chance, ids, logging and metrics as arguments, so that everything above is a plain call in a test.

/** Milliseconds since the Unix epoch. */
export type Instant = number;

export interface Clock {
  now(): Instant;
  /** Resolves after `ms` (bounded by 2^31-1) or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Ids {
  /** 22 characters of base62, random. */
  random(): string;
}

/** Structured log: a constant sentence plus fields. Secrets never appear in fields. */
export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
  child(fields: Readonly<Record<string, unknown>>): Log;
}

/** Counters, gauges and histograms by name; labels are bounded and declared at creation. */
export interface Metrics {
  counter(
    name: string,
    help: string,
    labels?: readonly string[],
  ): (labels?: Record<string, string>, by?: number) => void;
  gauge(
    name: string,
    help: string,
    labels?: readonly string[],
  ): (value: number, labels?: Record<string, string>) => void;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly string[],
  ): (value: number, labels?: Record<string, string>) => void;
  /** Text exposition of everything registered. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}
