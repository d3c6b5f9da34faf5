// Owns: what a scripted model sees and how it answers: the first reply whose `when` holds.
import type { JsonObject } from '../../api/messages/history.ts';
import type { ScriptedReply } from '../../api/v1alpha1/model.ts';
import { evaluateBoolean, interpolate } from '../cel/cel.ts';

/** CEL variables of `when` and of `${}`; `result` is the result to judge (else null), `lastText` the newest message. */
export const scriptVariables = [
  'role',
  'agent',
  'goal',
  'state',
  'input',
  'facts',
  'turn',
  'attempt',
  'calls',
  'feedback',
  'run',
  'result',
  'lastText',
] as const;

export type ScriptedAnswer =
  | {
      readonly kind: 'Answer';
      readonly text: string;
      readonly calls: readonly { readonly tool: string; readonly args: JsonObject }[];
      readonly reply: ScriptedReply;
    }
  | { readonly kind: 'None'; readonly message: string };

/** The script's answer, or what was tried. */
export function scriptedAnswer(replies: readonly ScriptedReply[], bindings: JsonObject): ScriptedAnswer {
  const tried: string[] = [];
  for (const [index, reply] of replies.entries()) {
    const label = reply.name ?? `replies[${index}]`;
    const held = reply.when === undefined ? { ok: true as const, value: true } : evaluateBoolean(reply.when, bindings);
    if (held.ok && held.value) return filled(reply, label, bindings);
    tried.push(held.ok ? `${label}: false` : `${label}: ${held.message}`);
  }
  const { role, agent, turn } = bindings;
  const asked = JSON.stringify({ role, agent, turn });
  return { kind: 'None', message: `no scripted reply fits ${asked}: tried ${tried.join('; ')}`.slice(0, 2_000) };
}

function filled(reply: ScriptedReply, label: string, bindings: JsonObject): ScriptedAnswer {
  const made = interpolate({ text: reply.text ?? '', json: reply.json ?? null, calls: reply.calls ?? [] }, bindings);
  if (made.kind === 'Error') return { kind: 'None', message: `scripted reply ${label}: ${made.message}` };
  const { text, json, calls } = made.value as {
    readonly text: unknown;
    readonly json: JsonObject | null;
    readonly calls: readonly { readonly tool: string; readonly args: JsonObject }[];
  };
  const words = typeof text === 'string' ? text : JSON.stringify(text);
  return { kind: 'Answer', text: json === null ? words : JSON.stringify(json), calls, reply };
}
