// Owns: signals to a run. One that no state waits for is kept in the run until one does.
//   G1: the same id again is the same signal, and gets the same kind of answer.
//   G2: what is kept is bounded; a full run says so, and nothing that was answered with yes is dropped.
import type { EngineReply } from '../../api/messages/asks.ts';
import type { SignalRequest, SignalResult } from '../../api/messages/incoming.ts';
import { type Given, stateOf } from './definition.ts';
import { Draft, type Reaction } from './draft.ts';
import { leave } from './flow.ts';

/** Signals that one run keeps, and the characters of their payloads together. */
export const keptMax = 100;
export const keptCharactersMax = 262_144;

type Reply = EngineReply<SignalResult>;
const no = (code: string, message: string): Reaction<Reply> => ({ events: [], reply: { ok: false, code, message } });

/** Names of the signals that states of the workflow wait for, sorted. */
export function signalsOf({ definition }: Pick<Given, 'definition'>): readonly string[] {
  const names = Object.values(definition.workflow.spec.states).flatMap((state) => state.for?.signal ?? []);
  return [...new Set(names)].toSorted();
}

/** The signal that the run waits for now. */
export function awaitedSignal({ state, definition }: Omit<Given, 'now'>): string | undefined {
  if (state.status !== 'Running' || state.activity !== undefined || state.ending !== undefined) return undefined;
  return stateOf(definition, state.state)?.for?.signal;
}

/** `problem`: what is wrong with the payload, by the schema of the signal. */
export function receiveSignal(given: Given, request: SignalRequest, problem?: string): Reaction<Reply> {
  const { state } = given;
  const { signal, id, payload, by } = request;
  if (state.parked !== undefined) return no('STALE', state.parked);
  if (state.signalIds.includes(id)) return { events: [], reply: { ok: true, result: { outcome: 'known' } } };
  if (state.status === 'Closed') {
    return no(
      'STALE',
      `run ${state.run} has ended with ${state.outcome ?? 'nothing'}; a signal changes nothing any more`,
    );
  }
  if (state.ending !== undefined) {
    return no('STALE', `run ${state.run} is ending with ${state.ending.outcome}; a signal changes nothing any more`);
  }
  const names = signalsOf(given);
  if (!names.includes(signal)) {
    const allowed = names.length === 0 ? 'none: no state waits for a signal' : names.join(', ');
    return no('INVALID_INPUT', `signal "${signal}" is not known to workflow ${state.workflow}; allowed: ${allowed}`);
  }
  if (problem !== undefined) return no('INVALID_INPUT', `the data of signal ${signal} do not fit: ${problem}`);
  const taken = awaitedSignal(given) === signal;
  const full = taken ? undefined : whyFull(given, request);
  if (full !== undefined) return no('OVERLOADED', full);
  const draft = new Draft(given, `signal/${id}`);
  draft.add({ type: 'SignalReceived', signal, id, payload, by });
  if (taken) {
    draft.add({ type: 'SignalTaken', signal, id });
    leave(draft, 'received');
  }
  return draft.reaction({ ok: true, result: { outcome: taken ? 'taken' : 'kept' } });
}

function whyFull({ state }: Given, { payload }: SignalRequest): string | undefined {
  const { run, signals } = state;
  if (signals.length >= keptMax) {
    return `run ${run} keeps ${signals.length} signals that no state has taken, which is its bound; send it again once the run has gone on`;
  }
  const characters = JSON.stringify(payload).length + JSON.stringify(signals.map((kept) => kept.payload)).length;
  if (characters <= keptCharactersMax) return undefined;
  return `the signals that run ${run} keeps would have ${characters} characters; allowed are ${keptCharactersMax}; send it again once the run has gone on`;
}
