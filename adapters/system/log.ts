// Owns: the log of a process: one JSON object a line on standard output.
import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import type { Log } from '../../ports/system.ts';

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** Field names whose values never reach the log, at the top and one or two levels down. */
const SECRET_FIELDS = [
  'token',
  'bearerToken',
  'password',
  'secret',
  'apiKey',
  'api_key',
  'authorization',
  'Authorization',
  'credential',
  'credentials',
  'privateKey',
  'seed',
];

export interface LogOptions {
  /** Process name, in every line. */
  readonly name: string;
  /** One of debug, info, warn, error, silent; default `LOG_LEVEL`, else info. */
  readonly level?: string;
  /** Where lines go; default standard output. */
  readonly destination?: DestinationStream;
}

/** Makes the log of a process. An unknown level is said once and read as info. */
export function jsonLog(options: LogOptions): Log {
  const asked = options.level ?? process.env['LOG_LEVEL'] ?? 'info';
  const level = (LEVELS as readonly string[]).includes(asked) ? asked : 'info';
  const logger = pino(
    {
      name: options.name,
      level,
      base: {},
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
        censor: '[redacted]',
      },
      serializers: { error: describeError },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  ).child({ process: options.name });
  const log = wrap(logger);
  if (level !== asked) log.warn('LOG_LEVEL is unknown; using info', { found: asked, allowed: LEVELS.join(', ') });
  return log;
}

/** Errors keep their code, message, fields and the chain of causes; the stack only of the outermost. */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return { ...summary(error), ...(error.stack === undefined ? {} : { stack: error.stack }) };
}

function summary(error: Error, depth = 0): Record<string, unknown> {
  const { code, fields } = error as { code?: unknown; fields?: unknown };
  return {
    name: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(fields === undefined ? {} : { fields }),
    ...(error.cause instanceof Error && depth < 4 ? { cause: summary(error.cause, depth + 1) } : {}),
  };
}

function wrap(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}
