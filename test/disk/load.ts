// Owns: runs in flight while a disk fails: people who start, decide and cancel, workers with turns and effects, bus events. All
// of them are outside of what fails, ask again until they are answered, and write down each acknowledgement.
import { setTimeout as pause } from 'node:timers/promises';
import { natsLedger } from '../../adapters/nats/nats.ts';
import { isSignalboxError } from '../../api/errors.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import type { EscalationPolicySpec } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { callDigest } from '../../core/permission/digest.ts';
import { digest } from '../../core/canonical/canonical.ts';
import { runIdFor } from '../../core/workflow/partition.ts';
import type { Ledger, LedgerKey } from '../../ports/journal.ts';
import { type EngineStage, namespace } from '../support/engine-stage.ts';
import type { Recorder } from './recorder.ts';
import type { Desk } from '../support/worker-desk.ts';

const exits = { error: 'failed', timeout: 'failed' };
const task = { type: 'task', agent: 'clerk', goal: 'Go on.', timeout: '30m', backup: 'none', exits };

/** Work with an effect, an event that is awaited, a person's yes, and work again. */
const caseWorkflow = {
  input: { type: 'object' },
  start: 'work',
  states: {
    work: { ...task, retry: { max: 9, backoff: '100ms' } },
    confirm: {
      type: 'wait',
      for: { event: 'case.confirmed', by: 'input.name' },
      timeout: '30m',
      exits: { timeout: 'failed' },
    },
    ask: {
      type: 'approval',
      queue: 'front-desk',
      question: 'May it go on?',
      timeout: '30m',
      exits: { rejected: 'failed', expired: 'failed' },
    },
    finish: { ...task, retry: { max: 9, backoff: '100ms' } },
    done: { type: 'terminal', outcome: 'success' },
    failed: { type: 'terminal', outcome: 'failed' },
  },
  transitions: [
    { from: 'work', to: 'confirm' },
    { from: 'confirm', to: 'ask' },
    { from: 'ask', to: 'finish' },
    { from: 'finish', to: 'done' },
  ],
} as unknown as WorkflowSpec;

const policy = { rules: [], queues: [{ name: 'front-desk', deadline: '30m' }] } as unknown as EscalationPolicySpec;

/** A bus event that died with its engine is delivered again 30 s later, counted anew from each restart of nats-server. */
const PATIENCE_MS = 600_000;
const PAUSE_MS = 50;
/** Every so many cases: one is cancelled, one has an input that goes to the object store. */
const cancelEvery = 8;
const largeEvery = 4;
const large = 'x'.repeat(80_000);

export interface LoadOptions {
  readonly stage: EngineStage;
  readonly recorder: Recorder;
  readonly inFlight: number;
}

/** Cases one after the other in each of `inFlight` places, until it is stopped; then those under way are brought to their end. */
export class Load {
  readonly #stage: EngineStage;
  readonly #recorder: Recorder;
  readonly #ledger: Ledger;
  readonly #inFlight: number;
  readonly #places: Promise<void>[] = [];
  readonly #atWork = new Set<string>();
  readonly failures: string[] = [];
  /** Refusals by code: what the system said no to, loudly. */
  readonly refusals = new Map<string, number>();
  #gate: PromiseWithResolvers<void> | undefined;
  #stopped = false;
  #abandoned = false;
  #cases = 0;
  ended = 0;

  constructor(options: LoadOptions) {
    this.#stage = options.stage;
    this.#recorder = options.recorder;
    this.#ledger = natsLedger(options.stage.control);
    this.#inFlight = options.inFlight;
  }

  async start(): Promise<void> {
    await this.#stage.agent('clerk');
    await this.#stage.workflow('case', caseWorkflow, policy);
    this.#stage.worker('clerk', (desk) => this.#once(desk), 64);
    for (let place = 0; place < this.#inFlight; place += 1) this.#places.push(this.#place());
  }

  /** Nobody asks or works until `resume`; what is under way at that moment is still answered. */
  pause(): void {
    this.#gate ??= Promise.withResolvers<void>();
  }

  resume(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  /** Nobody waits for anything any more: the system is being taken away. */
  abandon(): void {
    this.#stopped = true;
    this.#abandoned = true;
    this.resume();
  }

  /** No more new cases; resolves when those under way have ended. */
  async finish(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#places);
  }

  async #place(): Promise<void> {
    while (!this.#stopped) {
      const number = (this.#cases += 1);
      try {
        await this.#case(number);
        this.ended += 1;
      } catch (error) {
        this.failures.push(`case-${number}: ${error instanceof Error ? error.message : String(error)}`);
        await pause(PAUSE_MS);
      }
    }
  }

  async #case(number: number): Promise<void> {
    const name = `case-${number}`;
    const run = runIdFor(namespace, 'case', name);
    const input = { name, ...(number % largeEvery === 0 ? { large } : {}) };
    await this.#patiently(() => this.#stage.begin('case', input, { run, key: name }));
    this.#recorder.note({ kind: 'start', run, key: name });
    if (number % cancelEvery === 0) return this.#cancel(run);
    await this.#until(run, (summary) => summary.state !== 'work');
    const id = `confirmed-${name}`;
    await this.#patiently(() => this.#stage.event('case.confirmed', name, { name }, id));
    this.#recorder.note({ kind: 'event', run, id });
    const waiting = await this.#until(run, (summary) => summary.escalation !== undefined);
    const escalation = waiting.escalation ?? '';
    await this.#granted(() => this.#stage.decide(run, escalation));
    this.#recorder.note({ kind: 'decision', run, id: escalation, decision: `uid-${escalation}` });
    const closed = await this.#until(run, (summary) => summary.status === 'Closed');
    if (closed.outcome !== 'success') throw new Error(`run ${run} ended with ${closed.outcome}: ${closed.message}`);
  }

  async #cancel(run: string): Promise<void> {
    const cancel = { namespace, run, by: 'ann', reason: 'as planned' };
    await this.#granted(() => this.#stage.ask(run, 'cancel', cancel));
    this.#recorder.note({ kind: 'cancel', run });
  }

  /** A task that came twice is done once at a time: both would be told that theirs is the result. */
  async #once(desk: Desk): Promise<void> {
    const about = `${desk.work.run.id}/${desk.work.activity}`;
    if (this.#atWork.has(about)) return;
    this.#atWork.add(about);
    try {
      await this.#work(desk);
    } finally {
      this.#atWork.delete(about);
    }
  }

  /** Where earlier workers stopped: a turn that proposes the effect, the effect, the turn with its result, the result. */
  async #work(desk: Desk): Promise<void> {
    const { turns } = desk.work;
    const last = turns.at(-1);
    const settled = last !== undefined && last.results.length === last.calls.length;
    if (desk.work.state === 'work' && !settled) await this.#effect(desk, last !== undefined);
    else if (desk.work.state === 'finish' && !settled) await this.#turn(desk, {});
    const mark = this.#mark(desk);
    await this.#gate?.promise;
    const reply = await desk.complete({ mark });
    if (reply.kind === 'Go') this.#recorder.note({ kind: 'complete', ...this.#about(desk), mark });
  }

  async #effect(desk: Desk, proposed: boolean): Promise<void> {
    const { run, activity } = this.#about(desk);
    const args = { run };
    const about = callDigest({ run, activity, tool: 'book', args });
    const call = { id: 'c', tool: 'book', args };
    if (!proposed && !(await this.#turn(desk, { calls: [call] }, true))) return;
    const result = await this.#booked(desk, about);
    const receipt = desk.receipt({
      kind: 'tool',
      name: 'book',
      digest: about,
      result: digest(result),
      effect: 'write',
      committed: true,
    });
    await this.#turn(desk, { calls: [call], results: [{ ...call, outcome: 'ok', result, receipt }] });
  }

  /** As the gateway does it: open, act, done; a done entry is the answer of whoever asks again. */
  async #booked(desk: Desk, about: string): Promise<JsonObject> {
    const { run, attempt } = this.#about(desk);
    const key: LedgerKey = { namespace, run, key: about.replace(/^sha256:/, '') };
    for (;;) {
      const { revision, entry } = await this.#patiently(() => this.#ledger.read(key));
      if (entry?.state === 'done') return entry.result as JsonObject;
      const at = Date.now();
      const open = { state: 'open', at, deadline: at + 60_000, attempt, digest: about, opener: desk.worker } as const;
      const opened = await this.#patiently(() => this.#ledger.write(key, open, revision));
      if (opened === undefined) continue;
      const result = { mark: this.#mark(desk) };
      const done = { state: 'done', at, digest: about, result, elapsedMs: 1 } as const;
      if ((await this.#patiently(() => this.#ledger.write(key, done, opened))) === undefined) continue;
      this.#recorder.note({ kind: 'effect', run, key: key.key, mark: result.mark });
      return result;
    }
  }

  /** False when the worker was told to let go. */
  async #turn(desk: Desk, more: Parameters<Desk['turn']>[1], proposed = false): Promise<boolean> {
    await this.#gate?.promise;
    const last = desk.work.turns.at(-1);
    const turn = desk.turn(last?.turn ?? 1, { text: this.#mark(desk), ...more });
    const reply = await desk.report(turn, proposed);
    if (reply.kind === 'Error') throw new Error(`turn refused: ${reply.code}: ${reply.message}`);
    if (reply.kind !== 'Go') return false;
    const kind = proposed ? 'proposal' : 'turn';
    this.#recorder.note({ kind, ...this.#about(desk), turn: turn.turn, text: turn.text ?? '' });
    return true;
  }

  #about({ work }: Desk): { readonly run: string; readonly activity: string; readonly attempt: number } {
    return { run: work.run.id, activity: work.activity, attempt: work.attempt };
  }

  /** Told apart from what anybody else, or this worker at another time, has reported. */
  #mark(desk: Desk): string {
    return `${desk.work.activity}/${desk.worker}/${Math.random().toString(36).slice(2)}`;
  }

  async #until(run: string, found: (summary: Summary) => boolean): Promise<Summary> {
    const end = Date.now() + PATIENCE_MS;
    for (let waitMs = PAUSE_MS; ; waitMs = Math.min(500, waitMs * 1.5)) {
      const summary = await this.#patiently(() => this.#stage.show(run));
      if (found(summary)) return summary;
      if (summary.status === 'Closed' || Date.now() > end) {
        throw new Error(`run ${run} did not get there: ${summary.status} in ${summary.state}: ${summary.message}`);
      }
      await pause(waitMs);
    }
  }

  /** Asks again while the journal takes nothing; any other refusal is final. */
  async #granted(ask: () => Promise<EngineReply<unknown>>): Promise<void> {
    const refused = await this.#patiently(async () => {
      const reply = await ask();
      if (!reply.ok && reply.code.startsWith('JOURNAL_')) throw new Error(`${reply.code}: ${reply.message}`);
      return reply.ok ? undefined : reply;
    });
    if (refused !== undefined) throw new Error(`refused: ${refused.code}: ${refused.message}`);
  }

  /** Asks again while the system is away or says no to a newcomer; a run that is not known is final. */
  async #patiently<T>(action: () => Promise<T>): Promise<T> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      await this.#gate?.promise;
      try {
        return await action();
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        const code = isSignalboxError(error) ? error.code : (/^[A-Z_]+(?=:)/.exec(text)?.[0] ?? 'UNKNOWN');
        this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
        if (code === 'NOT_FOUND' || this.#abandoned || Date.now() > end) throw error;
      }
      await pause(PAUSE_MS);
    }
  }
}

type Summary = Awaited<ReturnType<EngineStage['show']>>;
