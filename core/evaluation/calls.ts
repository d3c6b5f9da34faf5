// Owns: the tool calls of a trial, from the histories of its runs: each once, with all that became of it.
//   C1: a call that is reported again, after an approval or by a later attempt, is the same call.
import type { CallOutcome, JsonObject, Turn } from '../../api/messages/history.ts';
import type { Effect } from '../../api/v1alpha1/tool.ts';
import { effectKey } from '../permission/digest.ts';
import type { PlayedRun } from './record.ts';

export interface PlayedCall {
  readonly run: string;
  readonly activity: string;
  readonly tool: string;
  readonly effect: Effect;
  readonly args: JsonObject;
  /** Hexadecimal digest of {run, activity, tool, args}. */
  readonly key: string;
  /** In the order in which they were reported; the last one is how it ended. Empty: it was only proposed. */
  readonly outcomes: readonly CallOutcome[];
  /** Milliseconds: when it was first reported with its last outcome. */
  readonly at: number;
}

/** Made, as far as anybody knows. */
export const isMade = ({ outcomes }: Pick<PlayedCall, 'outcomes'>): boolean =>
  outcomes.includes('ok') || outcomes.includes('ambiguous');

/** All calls, in the order in which they ended. `effects`: of the tools; one that is not listed counts as irreversible. */
export function callsOfTrial(
  runs: readonly PlayedRun[],
  effects: Readonly<Record<string, Effect>>,
): readonly PlayedCall[] {
  const found = new Map<string, PlayedCall>();
  for (const { run, events } of runs) {
    for (const event of events) {
      if (event.type !== 'TurnProposed' && event.type !== 'TurnCompleted') continue;
      const { activity, attempt, turn, at } = event;
      for (const call of turn.calls) {
        const effect = effects[call.tool] ?? 'irreversible';
        const key = effectKey({ run, activity, tool: call.tool, args: call.args });
        // A read may be made again and again; an effect with the same key is the same effect.
        const identity = effect === 'read' ? `${run} ${activity} ${attempt} ${turn.turn} ${call.id}` : key;
        const known = found.get(identity) ?? {
          run,
          activity,
          tool: call.tool,
          effect,
          args: call.args,
          key,
          outcomes: [],
          at,
        };
        found.set(identity, reported(known, outcomeOf(turn, call.id), at));
      }
    }
  }
  return [...found.values()].toSorted((left, right) => left.at - right.at);
}

const outcomeOf = (turn: Turn, id: string): CallOutcome | undefined =>
  turn.results.find((result) => result.id === id)?.outcome;

function reported(call: PlayedCall, outcome: CallOutcome | undefined, at: number): PlayedCall {
  if (outcome === undefined || call.outcomes.at(-1) === outcome) return call;
  return { ...call, outcomes: [...call.outcomes, outcome], at };
}
