// Owns: the form of asks that share a message, and of their answers. An ask is named by a number that its asker chose.
//   to `<prefix>._asks`          [[1, "complete", {…}], [2, "heartbeat", {…}]]       the subject of an ask is `<prefix>.<verb>`
//   to the reply subject         [[2, {…}], [1, null, "STALE", "why"]]               an answer, or a refusal; in any order
import { type ErrorCode, errorCodes, SignalboxError } from '../../api/errors.ts';

/** No verb: those are DNS labels or base62. */
export const sharedToken = '_asks';
export const sharedAsksMax = 64;
/** Characters of asks, or of answers, in one message; with at most three bytes each far below the largest message. */
export const sharedCharactersMax = 262_144;

export interface SharedAsk {
  readonly number: number;
  readonly verb: string;
  readonly payload: unknown;
}

export const askText = (number: number, verb: string, payload: string): string => `[${number},"${verb}",${payload}]`;
export const answerText = (number: number, payload: string): string => `[${number},${payload}]`;
export const refusalText = (number: number, { code, message }: SignalboxError): string =>
  `[${number},null,${JSON.stringify(code)},${JSON.stringify(message)}]`;
export const messageOf = (texts: readonly string[]): Uint8Array => Buffer.from(`[${texts.join(',')}]`);

/** @throws SignalboxError INVALID_INPUT: whoever sent it does not speak this form. */
export function readAsks(payload: unknown, subject: string): readonly SharedAsk[] {
  if (!Array.isArray(payload) || payload.length > sharedAsksMax) {
    throw new SignalboxError('INVALID_INPUT', `${subject}: no list of at most ${sharedAsksMax} asks`);
  }
  return payload.map((entry: unknown, at) => {
    const [number, verb, asked] = Array.isArray(entry) ? (entry as readonly unknown[]) : [];
    if (typeof number === 'number' && Number.isSafeInteger(number) && typeof verb === 'string' && isToken(verb)) {
      return { number, verb, payload: asked };
    }
    throw new SignalboxError('INVALID_INPUT', `${subject}: entry ${at} is no ask [number, verb, payload]`);
  });
}

/** What an ask says of itself must not reach beyond the subject that was allowed to it. */
const isToken = (verb: string): boolean => /^[A-Za-z0-9-]{1,64}$/.test(verb);

export interface SharedAnswer {
  readonly number: number;
  readonly payload: unknown;
  readonly refusal?: SignalboxError;
}

/** @throws SignalboxError BUS_UNREACHABLE: another release answered, in a form that is not known here. */
export function readAnswers(payload: unknown, what: string): readonly SharedAnswer[] {
  if (!Array.isArray(payload)) {
    throw new SignalboxError('BUS_UNREACHABLE', `${what}: the answer is no list of answers. Try again.`);
  }
  return payload.map((entry: unknown) => {
    const [number, answer, code, message = ''] = entry as readonly [number, unknown, string?, string?];
    if (code === undefined) return { number, payload: answer };
    return { number, payload: null, refusal: refusalFrom(code, message) };
  });
}

/** The error that a refusal on the wire stands for. */
export function refusalFrom(code: string, message: string): SignalboxError {
  const known: ErrorCode = code in errorCodes ? (code as ErrorCode) : 'BUS_UNREACHABLE';
  return new SignalboxError(known, message);
}
