// Owns: what a person sees when something goes wrong, and the exit code. The codes are a promise to scripts.
import { type ErrorCode, isSignalboxError, SignalboxError } from '../api/errors.ts';
import type { Screen } from './output/screen.ts';
import { printable } from './output/style.ts';
import { wrap } from './output/width.ts';

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** For help and reference. */
export const exitCodeWords: readonly (readonly [ExitCode, string])[] = [
  [0, 'done'],
  [1, 'failed: no answer, or the run waited for did not succeed'],
  [2, 'usage: the command line or the input is not valid'],
  [3, 'not found: what was named does not exist'],
  [4, 'refused: no credentials, no permission, or a rule said no'],
];

const codeOf: Partial<Record<ErrorCode, ExitCode>> = {
  CONFIG_INVALID: exitCodes.usage,
  INVALID_INPUT: exitCodes.usage,
  NOT_FOUND: exitCodes.notFound,
  KUBE_FORBIDDEN: exitCodes.refused,
  KUBE_INVALID: exitCodes.refused,
  DENIED: exitCodes.refused,
  UNAUTHENTICATED: exitCodes.refused,
};

/** Carries what to do next, in the user's words, and the exit code where it differs from the error code's. */
export class VerbError extends SignalboxError {
  readonly attempt: string | undefined;
  readonly exit: ExitCode | undefined;

  constructor(code: ErrorCode, message: string, next: { readonly attempt?: string; readonly exit?: ExitCode } = {}) {
    super(code, message);
    this.attempt = next.attempt;
    this.exit = next.exit;
  }
}

/** Ends the verb with this exit code; everything has been said. */
export class Ended extends Error {
  readonly exit: ExitCode;
  constructor(exit: ExitCode) {
    super(`exit ${exit}`);
    this.exit = exit;
  }
}

const attempts: Partial<Record<ErrorCode, string>> = {
  KUBE_UNREACHABLE: 'signalbox status, or check the server in your kubeconfig',
  KUBE_FORBIDDEN: 'kubectl auth whoami, and ask for the right if it is you who should have it',
  BUS_UNREACHABLE: 'signalbox status',
  PLANE_FAILED: 'signalbox status, then the log it names',
  UNAUTHENTICATED: 'kubectl auth whoami',
  JOURNAL_CORRUPT: 'restore the store of nats-server; what the engine found is in its log',
  JOURNAL_ROLLED_BACK:
    'bring back the newer store of nats-server, or accept the loss: signalbox journal accept-loss --help',
  JOURNAL_NEWER: 'bring every engine to the newer release: kubectl rollout status deployment/signalbox-engine',
  JOURNAL_UNWRITABLE: 'repair the disk of nats-server, then restart nats-server',
  JOURNAL_FULL: 'wait until runs have ended, or give the journal or its disk more room',
};

/** Says it on standard error as `error: …` and `try: …`; returns the exit code. */
export function report(error: unknown, screen: Screen): ExitCode {
  if (error instanceof Ended) return error.exit;
  const message = error instanceof Error ? error.message : String(error);
  const paint = screen.paintError;
  block(screen, paint('red', 'error:'), 'error:', printable(message));
  const attempt = attemptOf(error);
  if (attempt !== undefined) block(screen, paint('cyan', 'try:'), 'try:', printable(attempt));
  if (!isSignalboxError(error)) return exitCodes.failed;
  return (error instanceof VerbError ? error.exit : undefined) ?? codeOf[error.code] ?? exitCodes.failed;
}

function attemptOf(error: unknown): string | undefined {
  if (error instanceof VerbError && error.attempt !== undefined) return error.attempt;
  return isSignalboxError(error) ? attempts[error.code] : undefined;
}

function block(screen: Screen, painted: string, bare: string, text: string): void {
  const indent = ' '.repeat(bare.length + 1);
  const lines = wrap(text, screen.columns - indent.length);
  screen.note(lines.map((line, index) => (index === 0 ? `${painted} ${line}` : `${indent}${line}`)).join('\n'));
}
