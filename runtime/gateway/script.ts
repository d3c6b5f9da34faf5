// Owns: what a scripted model may look at: folded state, as the engine answered, and what is asked of it now.
import type { JsonObject, Role } from '../../api/messages/history.ts';
import { callsOf } from '../../core/agent/prompt.ts';
import { runVariable } from '../../core/agent/rules.ts';
import type { Admitted } from './admission.ts';

export interface ScriptAsk {
  readonly role: Role;
  readonly turn: number;
  readonly attempt: number;
  /** Why the executor goes again; empty at first. */
  readonly feedback: string;
  /** What a verifier judges. */
  readonly result: JsonObject | null;
}

export function scriptOf({ worker, allowed }: Admitted, ask: ScriptAsk): JsonObject {
  const { role, turn, attempt, feedback, result } = ask;
  return {
    role,
    agent: worker.agent,
    goal: allowed.goal,
    state: allowed.state,
    input: allowed.input,
    facts: allowed.facts,
    turn,
    attempt,
    calls: callsOf(allowed.turns),
    feedback,
    run: runVariable({ ...allowed.run, state: allowed.state }),
    result,
  };
}
