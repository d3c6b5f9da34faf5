// Owns: the small words of a trace: JSON on a line, what a receipt says, what an outcome means.
import type { CallOutcome, Json, Receipt, ToolResult } from '../../api/messages/history.ts';
import { money, span } from '../output/quantity.ts';
import { oneLine } from '../output/style.ts';
import { cut } from '../output/width.ts';

/** Longest value shown without `-o wide`. */
const VALUE_MAX = 320;

export type Show = (value: Json | undefined) => string;

/** JSON on one line; long values are cut unless everything is wanted. */
export const shower =
  (whole: boolean): Show =>
  (value) => {
    const text = oneLine(jsonLine(value ?? null));
    return whole ? text : cut(text, VALUE_MAX);
  };

/** JSON on one line with spaces to break at. A line break of the pretty form is never inside a string. */
function jsonLine(value: Json): string {
  return JSON.stringify(value, undefined, 1)
    .replaceAll(/([[{])\n */g, '$1')
    .replaceAll(/\n *([\]}])/g, '$1')
    .replaceAll(/\n */g, ' ');
}

export const quoted = (text: string, whole: boolean): string =>
  `"${whole ? oneLine(text) : cut(oneLine(text), VALUE_MAX)}"`;

export const shortDigest = (digest: string): string => digest.replace(/^sha256:/, '').slice(0, 12);

/** `model small, 412 tokens in, 96 out, $0.0003, confidence 0.91, 0.8s`. */
export function modelWords(receipt: Receipt): string {
  const tokens =
    receipt.inputTokens === undefined
      ? undefined
      : `${receipt.inputTokens} tokens in, ${receipt.outputTokens ?? 0} out`;
  return [
    `model ${receipt.name}${receipt.backup === true ? ' (backup: the first one failed)' : ''}`,
    tokens,
    receipt.costMicros === undefined ? undefined : money(receipt.costMicros),
    receipt.confidence === undefined ? undefined : `confidence ${receipt.confidence}`,
    span(receipt.elapsedMs),
    receipt.outcome === 'ok' ? undefined : receipt.outcome,
  ]
    .filter((part) => part !== undefined)
    .join(', ');
}

const verdicts: Readonly<Record<CallOutcome, string>> = {
  ok: 'allowed',
  error: 'allowed',
  denied: 'denied',
  approvalRequired: 'needs approval',
  recommended: 'recommend only',
  ambiguous: 'allowed',
  rejected: 'allowed',
};

const endings: Readonly<Record<CallOutcome, string>> = {
  ok: 'ok',
  error: 'the tool said no',
  denied: 'not called',
  approvalRequired: 'not called yet',
  recommended: 'recorded, not done',
  ambiguous: 'AMBIGUOUS: it may or may not have acted',
  rejected: 'rejected by the verifier',
};

/** What the permission said and how the call ended: `allowed (write): ok, new effect, 12ms`. */
export function callWords(result: ToolResult): string {
  const { receipt } = result;
  const effect = receipt?.effect === undefined ? '' : ` (${receipt.effect})`;
  const committed =
    receipt?.committed === true
      ? 'new effect'
      : receipt?.committed === false && isWrite(receipt)
        ? 'made by an earlier call'
        : undefined;
  const parts = [
    endings[result.outcome],
    committed,
    receipt === undefined ? undefined : `${Math.round(receipt.elapsedMs)}ms`,
    receipt?.note === undefined || receipt.note === result.approval?.question ? undefined : oneLine(receipt.note),
  ];
  return `${verdicts[result.outcome]}${effect}: ${parts.filter((part) => part !== undefined).join(', ')}`;
}

const isWrite = (receipt: Receipt): boolean => receipt.effect !== undefined && receipt.effect !== 'read';
