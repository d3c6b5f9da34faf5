// Owns: the registry of error codes. Every failure that crosses a boundary carries one; docs list exactly these.

export const errorCodes = {
  CONFIG_INVALID: 'A setting or argument is missing or has a value that is not allowed.',
  ASSET_UNAVAILABLE: 'A binary of the local control plane could not be found, downloaded or built.',
  PLANE_FAILED: 'A part of the local control plane did not start or stop.',
  KUBE_CONFLICT: 'The object changed meanwhile, or already exists.',
  KUBE_INVALID: 'The API server refused the object.',
  KUBE_FORBIDDEN: 'The credentials do not allow this request.',
  KUBE_GONE: 'The watch position is too old; list again.',
  KUBE_UNREACHABLE: 'The API server did not answer in time or failed repeatedly.',
  BUS_UNREACHABLE: 'NATS did not answer in time or refused the connection.',
  BUS_NOT_DURABLE: 'JetStream does not fsync before it acknowledges (sync_interval is not "always").',
  JOURNAL_FENCED: 'Another owner wrote to the partition; this one must stop and reload.',
  JOURNAL_FULL: 'The journal is near its bound and new runs are refused, or its disk is full and nothing is taken.',
  JOURNAL_UNWRITABLE: 'The disk under the journal fails; nothing of its partition is served until it is repaired.',
  OVERLOADED: 'More is waiting than its bound allows; try again later.',
  JOURNAL_CORRUPT: 'A record of the journal is missing, changed or unreadable; its partition is not served.',
  JOURNAL_ROLLED_BACK:
    'The journal ends before what was committed: an older copy of its store; its partition is not served.',
  JOURNAL_NEWER:
    'The journal was written on by a newer engine; its partition stands still, whole, until an engine of that release serves it.',
  NOT_FOUND: 'What was named does not exist.',
  NOT_OWNER: 'This engine does not own the partition of the run; ask again.',
  FROZEN: 'The run is frozen: nothing is done to it until it is resumed.',
  STALE: 'The report or request names an activity, attempt or escalation that is no longer current.',
  INVALID_INPUT: 'The input does not fit its schema.',
  DENIED: 'A permission, budget, policy or approval rule denied the action.',
  TOOL_FAILED: 'The tool answered with an error.',
  TOOL_UNAVAILABLE: 'The tool could not be reached or did not answer in time; nothing is known to have happened.',
  TOOL_AMBIGUOUS: 'The tool may or may not have acted; a person must look.',
  MODEL_FAILED: 'The model refused or answered with something unusable.',
  MODEL_UNAVAILABLE: 'The model could not be reached, is overloaded or did not answer in time.',
  VERIFIER_REJECTED: 'The verifier rejected the result more often than the bundle allows repairs.',
  CEL_INVALID: 'A CEL expression does not parse, names an unknown variable or failed to evaluate.',
  MANIFEST_INVALID: 'A manifest breaks a rule that the schema alone cannot state.',
  UNAUTHENTICATED: 'No valid credentials came with the request.',
  TIMEOUT: 'The deadline passed before an answer came.',
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** "Not now": nothing was decided, and another process, or the same one later, may answer otherwise. */
export const passingCodes: ReadonlySet<string> = new Set([
  'BUS_UNREACHABLE',
  'TIMEOUT',
  'KUBE_UNREACHABLE',
  'NOT_OWNER',
  'OVERLOADED',
  'JOURNAL_FENCED',
  'JOURNAL_FULL',
  'JOURNAL_UNWRITABLE',
  'JOURNAL_CORRUPT',
  'JOURNAL_ROLLED_BACK',
  'JOURNAL_NEWER',
] satisfies readonly ErrorCode[]);

/** The one error type across boundaries: a code of the registry, a sentence for people, optional fields for logs. */
export class SignalboxError extends Error {
  readonly code: ErrorCode;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly fields?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SignalboxError';
    this.code = code;
    this.fields = options.fields ?? {};
  }
}

export const isPassing = (error: unknown): boolean => error instanceof SignalboxError && passingCodes.has(error.code);

/** Retrying cannot help until something changes. */
export class TerminalError extends SignalboxError {}

export function isSignalboxError(error: unknown, code?: ErrorCode): error is SignalboxError {
  return error instanceof SignalboxError && (code === undefined || error.code === code);
}
