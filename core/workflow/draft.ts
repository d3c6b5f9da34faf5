// Owns: the events that one cause makes, each folded at once, so that the next decision sees it.
import type { HistoryEvent, NewEvent } from '../../api/messages/history.ts';
import type { Definition, Given } from './definition.ts';
import { evolve } from './evolve.ts';
import type { RunState } from './state.ts';

export class Draft implements Given {
  readonly definition: Definition;
  readonly now: number;
  readonly cause: string;
  readonly #events: HistoryEvent[] = [];
  #state: RunState;

  constructor(given: Given, cause: string) {
    this.definition = given.definition;
    this.now = given.now;
    this.cause = cause;
    this.#state = given.state;
  }

  get state(): RunState {
    return this.#state;
  }

  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  add(event: NewEvent): void {
    const placed = { ...event, seq: this.#state.seq + 1, at: this.now, cause: this.cause } as HistoryEvent;
    this.#events.push(placed);
    this.#state = evolve(this.#state, placed);
  }

  /** Everything so far, with this answer. */
  reaction<Reply>(reply: Reply): Reaction<Reply> {
    return { events: this.#events, reply, folded: this.#state };
  }
}

/** What a cause leads to: events to append (none when it is refused or known) and the answer, given after the commit. */
export interface Reaction<Reply> {
  readonly events: readonly HistoryEvent[];
  readonly reply: Reply;
  /** The run with the events folded, where it is known already. */
  readonly folded?: RunState;
}
