// Owns: calls with an effect: ledger-open → call → ledger-done. The decisions are core/permission/effect.ts; here they are
// carried out.
//   G1: nothing is sent unless this process wrote the newest open entry, and never after that entry's deadline.
//   G2: an answer from the tool is written to the ledger before the worker hears of it, however long NATS is away.
//   G3: a call that was proposed is denied in the ledger first: a copy of the ask that was permitted earlier finds that, and a
//       call that had begun by then is brought to its end instead of being denied.
import type { Json } from '../../api/messages/history.ts';
import { isSignalboxError } from '../../api/errors.ts';
import {
  type EffectStep,
  planEffect,
  planRecovery,
  queryDelaysMs,
  readFinding,
  type Finding,
} from '../../core/permission/effect.ts';
import type { LedgerEntry, LedgerKey } from '../../ports/journal.ts';
import type { Admitted } from './admission.ts';
import type { Gateway } from './ports.ts';
import { type ToolOutcome } from './read-tool.ts';
import { enterTool, requestTool, type ToolTarget, toolTimeoutMs, truncated } from './tool-call.ts';
import { failpoint } from '../../ports/failpoint.ts';

export type EffectCall = Omit<ToolTarget, 'deadline'> & {
  readonly digest: string;
  /** Why it may not be made now; what began while it might is settled. */
  readonly denied?: string;
};

/** What a `done` entry keeps: the result, and for which turn the call was made. */
interface Stored {
  readonly result: Json;
  readonly attempt: number;
  readonly turn: number;
}

interface Effect {
  readonly gateway: Gateway;
  readonly admitted: Admitted;
  readonly call: EffectCall;
  readonly key: LedgerKey;
}

/** Rounds of read → decide → act; each ends in an answer or in somebody else's progress. */
const roundsMax = 64;
const ledgerWaitMs = 60_000;
const ledgerPauseMs = 250;
const unreachedTriesMax = 3;

export const ledgerKeyOf = (gateway: Gateway, run: string, digest: string): LedgerKey => ({
  namespace: gateway.settings.namespace,
  run,
  key: digest.replace(/^sha256:/, ''),
});

export async function callEffect(gateway: Gateway, admitted: Admitted, call: EffectCall): Promise<ToolOutcome> {
  const effect: Effect = { gateway, admitted, call, key: ledgerKeyOf(gateway, admitted.target.run, call.digest) };
  const state: Progress = { tries: 0, doubted: false, error: 'an earlier call was cut off by a crash' };
  for (let round = 0; round < roundsMax; round += 1) {
    const now = gateway.clock.now();
    const { revision, entry } = await persist(effect, () => gateway.ledger.read(effect.key));
    const same = known(effect, entry);
    if (same !== undefined) return same;
    const step = planEffect(entry, now, { mine: revision === state.opened, acted: admitted.allowed.acted === true });
    if (step.kind === 'Return') return stored(effect, step.result as Stored);
    if (step.kind === 'Ambiguous') return { kind: 'Ambiguous', reason: step.reason };
    if (step.kind === 'Wait') {
      if (now >= admitted.allowed.deadline) return timedOut;
      await gateway.clock.sleep(Math.min(step.untilMs - now, 250));
      continue;
    }
    if (step.kind === 'Open') state.doubted = false;
    const go = step.kind === 'Open' ? ('call' as const) : await settleDoubt(effect, revision, { step, state });
    if (typeof go === 'object') return go;
    if (go === 'again') continue;
    const done = await callOrDeny(effect, revision, state);
    if (done !== undefined) return done;
  }
  return { kind: 'Unavailable', code: 'TIMEOUT', message: 'the effect could not be settled; ask again' };
}

/** An earlier call may have acted, or has, and the ledger does not say what came of it. */
async function settleDoubt(
  effect: Effect,
  revision: number,
  { step, state }: { readonly step: Extract<EffectStep, { kind: 'Recover' | 'Lost' }>; readonly state: Progress },
): Promise<ToolOutcome | 'call' | 'again'> {
  if (step.kind === 'Recover') return recover(effect, revision, state);
  effect.gateway.log.error('the effect ledger has lost an entry', { ...effect.key, tool: effect.call.name });
  return giveUp(effect, revision, step.reason);
}

/** A repeat settles a call that began while it was permitted. Undefined: look at the ledger again. */
function callOrDeny(effect: Effect, revision: number, state: Progress): Promise<ToolOutcome | undefined> {
  const { denied } = effect.call;
  return denied === undefined || state.doubted ? openAndCall(effect, revision, state) : deny(effect, revision, denied);
}

async function deny(effect: Effect, revision: number, message: string): Promise<ToolOutcome | undefined> {
  const { gateway, admitted, call } = effect;
  const { attempt, turn } = admitted.target;
  const at = gateway.clock.now();
  const entry: LedgerEntry = { state: 'refused', at, digest: call.digest, error: message, attempt, turn };
  return (await settle(effect, entry, revision)) ? { kind: 'Denied', message } : undefined;
}

const timedOut: ToolOutcome = {
  kind: 'Unavailable',
  code: 'TIMEOUT',
  message: 'the activity has no time left; an earlier call of this effect is still open',
};

function stored({ admitted }: Effect, kept: Stored): ToolOutcome {
  const same = kept.attempt === admitted.target.attempt && kept.turn === admitted.target.turn;
  return { kind: 'Ok', result: kept.result, committed: same, note: 'stored result of the first call' };
}

interface Progress {
  tries: number;
  /** Revision of the open entry written here, whose call had no usable answer. */
  opened?: number;
  /** True while an earlier call may have acted, so that the next one is a repeat. */
  doubted: boolean;
  error: string;
}

/** Writes the open entry, calls, writes what came of it. Undefined: look at the ledger again. */
async function openAndCall(effect: Effect, revision: number, state: Progress): Promise<ToolOutcome | undefined> {
  const { gateway, admitted, call, key } = effect;
  const { clock, ledger } = gateway;
  const release = await enterTool(gateway, call.name, call.spec, admitted.allowed.deadline);
  if (release === undefined) return unavailable(`tool "${call.name}" is at its limit (limits.perMinute)`);
  try {
    const at = clock.now();
    const deadline = Math.min(at + toolTimeoutMs(call.spec), admitted.allowed.deadline);
    if (deadline <= at) return timedOut;
    const { attempt } = admitted.target;
    const open: LedgerEntry = {
      state: 'open',
      at,
      deadline,
      attempt,
      digest: call.digest,
      opener: `${gateway.settings.opener}/${gateway.ids.random()}`,
    };
    failpoint('gateway.ledger.opening');
    const opened = await persist(effect, () => ledger.write(key, open, revision));
    if (opened === undefined) return undefined;
    failpoint('gateway.ledger.opened');
    state.tries += 1;
    state.opened = opened;
    const reply = await callWithinEntry(effect, deadline);
    failpoint('gateway.tool.answered');
    const elapsedMs = clock.now() - at;
    // What an earlier call did is not undone by the "no" to its repeat.
    if (reply.kind === 'Unknown' || (reply.kind !== 'Done' && state.doubted)) {
      state.error = reply.error;
      return undefined;
    }
    if (reply.kind === 'Done') {
      const result = reply.truncatedBytes === undefined ? reply.result : truncated(reply.truncatedBytes);
      return await finish(effect, opened, { result, elapsedMs });
    }
    const unreached = reply.kind === 'Unreached';
    const { turn } = admitted.target;
    const { error } = reply;
    const refused: LedgerEntry = {
      state: 'refused',
      at: clock.now(),
      digest: call.digest,
      error,
      attempt,
      turn,
      unreached,
    };
    // Another gateway may have made the call since: then its answer is the answer.
    if (!(await settle(effect, refused, opened))) return undefined;
    return refusal(call.name, error, unreached);
  } finally {
    release();
  }
}

const refusal = (tool: string, error: string, unreached: boolean): ToolOutcome =>
  unreached ? unavailable(`tool "${tool}" ${error}`) : { kind: 'Error', error };

/** The same ask again has the same answer: its worker may have heard the "no" already and gone on. */
function known({ admitted, call }: Effect, entry: LedgerEntry | undefined): ToolOutcome | undefined {
  if (entry?.state !== 'refused') return undefined;
  const same = entry.attempt === admitted.target.attempt && entry.turn === admitted.target.turn;
  if (!same) return undefined;
  return call.denied === entry.error
    ? { kind: 'Denied', message: entry.error }
    : refusal(call.name, entry.error, entry.unreached === true);
}

/** A call that certainly never began may be made again under the same entry, while there is time. */
async function callWithinEntry({ gateway, admitted, call }: Effect, deadline: number) {
  for (let tries = 1; ; tries += 1) {
    const reply = await requestTool(gateway, admitted, { ...call, deadline });
    if (reply.kind !== 'Unreached' || tries >= unreachedTriesMax) return reply;
    const pause = Math.min(reply.retryAfterMs ?? 200 * 4 ** (tries - 1), 5_000);
    if (gateway.clock.now() + pause >= deadline) return reply;
    await gateway.clock.sleep(pause);
  }
}

async function finish(
  effect: Effect,
  opened: number,
  done: { readonly result: Json; readonly elapsedMs: number },
): Promise<ToolOutcome> {
  const { gateway, admitted, call } = effect;
  const { attempt, turn } = admitted.target;
  const kept: Stored = { result: done.result, attempt, turn };
  const entry: LedgerEntry = {
    state: 'done',
    at: gateway.clock.now(),
    digest: call.digest,
    result: kept,
    elapsedMs: done.elapsedMs,
  };
  let revision = opened;
  for (let round = 0; round < roundsMax && !(await settle(effect, entry, revision)); round += 1) {
    // Another gateway has opened it anew meanwhile: it need not call, the answer is here.
    const latest = await persist(effect, () => gateway.ledger.read(effect.key));
    // A person has been asked about it by then: nobody is told another end.
    if (latest.entry?.state === 'ambiguous') return { kind: 'Ambiguous', reason: latest.entry.reason };
    if (latest.entry?.state !== 'open') break;
    revision = latest.revision;
  }
  return { kind: 'Ok', result: done.result, committed: true };
}

/** After a call without a usable answer: repeat, ask the query tool, or give up to a person. */
async function recover(effect: Effect, revision: number, state: Progress): Promise<ToolOutcome | 'call' | 'again'> {
  const { gateway, call } = effect;
  const plan = planRecovery(call.spec, state.tries, state.error);
  state.doubted = plan.kind === 'Repeat';
  if (plan.kind === 'Repeat') {
    await gateway.clock.sleep(plan.afterMs);
    return 'call';
  }
  if (plan.kind === 'GiveUp') return giveUp(effect, revision, plan.reason);
  failpoint('gateway.query.before');
  const found = await askWhether(effect, plan);
  failpoint('gateway.query.answered');
  if (found.finding === 'notFound') return 'call';
  if (found.finding === 'found') {
    const { attempt, turn } = effect.admitted.target;
    const kept: Stored = { result: found.result, attempt, turn };
    const at = gateway.clock.now();
    const entry: LedgerEntry = { state: 'done', at, digest: call.digest, result: kept, elapsedMs: 0 };
    const written = await persist(effect, () => gateway.ledger.write(effect.key, entry, revision));
    failpoint('gateway.ledger.confirmed');
    if (written === undefined) return 'again';
    return { kind: 'Ok', result: found.result, committed: true, note: `confirmed by tool "${plan.tool}"` };
  }
  return giveUp(effect, revision, `${state.error}; tool "${plan.tool}" could not say whether it acted`);
}

async function giveUp(effect: Effect, revision: number, reason: string): Promise<ToolOutcome | 'again'> {
  const { gateway, call, key } = effect;
  const entry: LedgerEntry = { state: 'ambiguous', at: gateway.clock.now(), digest: call.digest, reason };
  const written = await persist(effect, () => gateway.ledger.write(key, entry, revision));
  failpoint('gateway.ledger.ambiguous');
  return written === undefined ? 'again' : { kind: 'Ambiguous', reason };
}

/** One "no" is not believed: the first call may still be at work at the tool. */
async function askWhether(
  effect: Effect,
  query: { readonly tool: string; readonly by: 'idempotencyKey' | 'arguments' },
): Promise<{ readonly finding: Finding; readonly result: Json }> {
  const { gateway, admitted, call } = effect;
  const spec = admitted.bundle.tools[query.tool]?.spec;
  if (spec === undefined || spec.effect !== 'read') return { finding: 'unknown', result: null };
  const args = query.by === 'arguments' ? call.args : { idempotencyKey: call.idempotencyKey };
  let last: Finding = 'unknown';
  for (const delayMs of queryDelaysMs) {
    await gateway.clock.sleep(delayMs);
    const release = await enterTool(gateway, query.tool, spec, admitted.allowed.deadline);
    if (release === undefined) return { finding: 'unknown', result: null };
    const deadline = gateway.clock.now() + toolTimeoutMs(spec);
    const target = { ...call, name: query.tool, spec, args, deadline };
    const reply = await requestTool(gateway, admitted, target).finally(release);
    if (reply.kind === 'Done') {
      last = reply.truncatedBytes === undefined ? readFinding({ kind: 'Done', result: reply.result }) : 'found';
      if (last === 'found') return { finding: 'found', result: reply.result };
    } else {
      const status = reply.kind === 'Refused' ? reply.status : undefined;
      last = readFinding({ kind: 'No', ...(status === undefined ? {} : { status }) });
    }
  }
  return { finding: last, result: null };
}

/** Writes the end of an open entry; when somebody else already ended it, theirs stands: false. */
async function settle(effect: Effect, entry: LedgerEntry, opened: number): Promise<boolean> {
  const written = await persist(effect, () => effect.gateway.ledger.write(effect.key, entry, opened));
  failpoint('gateway.ledger.settled');
  if (written !== undefined) return true;
  effect.gateway.log.warn('the ledger entry was settled by another gateway', {
    run: effect.key.run,
    tool: effect.call.name,
    state: entry.state,
  });
  return false;
}

/** Asks the ledger until it answers: between open and done, giving up would make a known outcome unknown. */
async function persist<T>({ gateway }: Effect, action: () => Promise<T>): Promise<T> {
  const until = gateway.clock.now() + ledgerWaitMs;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const passing = isSignalboxError(error, 'BUS_UNREACHABLE') || isSignalboxError(error, 'TIMEOUT');
      if (!passing || gateway.clock.now() >= until) throw error;
      await gateway.clock.sleep(ledgerPauseMs);
    }
  }
}

const unavailable = (message: string): ToolOutcome => ({ kind: 'Unavailable', code: 'TOOL_UNAVAILABLE', message });
