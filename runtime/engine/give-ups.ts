// Owns: what is given up in a partition: an attempt whose workers die, a projection that cannot be written. Told to people as a
// dead letter.
import { isSignalboxError } from '../../api/errors.ts';
import type { GivenUp } from '../../core/dead-letter/letter.ts';
import type { Lost } from '../../core/dispatch/dispatch.ts';
import type { Given } from '../../core/workflow/definition.ts';
import type { Reaction } from '../../core/workflow/draft.ts';
import { isPoison, lostMax, loseWorker, poisonMessage } from '../../core/workflow/poison.ts';
import type { RunState } from '../../core/workflow/state.ts';
import type { EnginePorts } from './ports.ts';

export interface GiveUpsOptions extends Pick<EnginePorts, 'log' | 'deadLetters'> {
  readonly state: (run: string) => RunState | undefined;
  readonly act: <R>(run: string, react: (given: Given) => Reaction<R>) => Promise<R>;
}

export class GiveUps {
  readonly #options: GiveUpsOptions;
  #stopped = false;

  constructor(options: GiveUpsOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A loss is a fact of the run; one too many is told to people before the attempt fails. */
  async workerLost(lost: Lost): Promise<void> {
    const { log, state: stateOf, act } = this.#options;
    const state = stateOf(lost.run);
    if (state === undefined) return;
    try {
      if (isPoison(state, lost)) await this.#notePoison(state, lost);
      await act(lost.run, (given) => loseWorker(given, lost));
    } catch (error) {
      if (this.#stopped || isSignalboxError(error, 'NOT_OWNER')) return;
      log.warn('the loss of a worker could not be noted', { run: lost.run, worker: lost.worker, error });
    }
  }

  async unwritable(run: string, tries: number, error: unknown): Promise<void> {
    const state = this.#options.state(run);
    if (state === undefined || this.#stopped) return;
    const { namespace, workflow } = state;
    const message = error instanceof Error ? error.message : String(error);
    const origin = { kind: 'projection', name: 'runs', item: run, workflow, run } as const;
    await this.#giveUp({
      namespace,
      reason: 'unwritable',
      origin,
      cause: { code: 'UNWRITABLE', message },
      attempts: tries,
    });
  }

  async #notePoison({ namespace, workflow, activity }: RunState, { run, ...lost }: Lost): Promise<void> {
    const origin = {
      kind: 'activity',
      name: activity?.agent ?? '',
      item: `${lost.activity}/${lost.attempt}`,
      workflow,
      run,
    } as const;
    const cause = { code: 'POISON', message: poisonMessage(lostMax) };
    await this.#giveUp({ namespace, reason: 'poison', origin, cause, attempts: lostMax });
  }

  async #giveUp(given: GivenUp): Promise<void> {
    const { log, deadLetters } = this.#options;
    const { reason, origin } = given;
    log.error('given up; see signalbox deadletters', { reason, ...origin });
    await deadLetters
      .note(given)
      .catch((error: unknown) => log.error('a dead letter could not be kept', { reason, ...origin, error }));
  }
}
