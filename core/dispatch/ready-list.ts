// Owns: who is next among the tasks that wait for one agent and bundle.
//   Y1: levels share by weight: of 13 places in turn, high has 8, normal 4, low 1; an empty level passes its places on.
//   Y2: within a level, workflows take turns, one task each; within a workflow the order of arrival holds.
//   Y3: so nobody starves: the k-th task of a workflow, among F workflows of its level, is taken within k · F turns of its level,
//       which are at most ⌈k · F / weight⌉ rounds of 13.
import { type Priority, priorities } from '../../api/messages/priority.ts';
import { Line } from './line.ts';

/** Places of a level in each round. */
export const weights: Readonly<Record<Priority, number>> = { high: 8, normal: 4, low: 1 };
export const round = priorities.reduce((sum, priority) => sum + weights[priority], 0);

export interface Waiting {
  readonly priority: Priority;
  /** Whoever shares: a workflow of a namespace. */
  readonly flow: string;
}

interface Flow<T> {
  readonly name: string;
  readonly line: Line<T>;
}

/** One priority: workflows in the order of their turns. */
class Level<T extends Waiting> {
  readonly #flows = new Map<string, Flow<T>>();
  readonly #turns = new Line<Flow<T>>();

  get empty(): boolean {
    return this.#turns.length === 0;
  }

  add(task: T, first: boolean): void {
    let flow = this.#flows.get(task.flow);
    if (flow === undefined) {
      flow = { name: task.flow, line: new Line() };
      this.#flows.set(task.flow, flow);
      this.#turns.add(flow);
    }
    if (first) flow.line.addFirst(task);
    else flow.line.add(task);
  }

  remove(task: T): void {
    const flow = this.#flows.get(task.flow);
    if (flow === undefined || !flow.line.remove(task)) return;
    if (flow.line.length === 0) this.#end(flow);
  }

  take(): T | undefined {
    const flow = this.#turns.shift();
    const task = flow?.line.shift();
    if (flow === undefined) return undefined;
    if (flow.line.length === 0) this.#end(flow);
    else this.#turns.add(flow);
    return task;
  }

  #end(flow: Flow<T>): void {
    this.#flows.delete(flow.name);
    this.#turns.remove(flow);
  }
}

export class ReadyList<T extends Waiting> {
  readonly #levels: Readonly<Record<Priority, Level<T>>> = { high: new Level(), normal: new Level(), low: new Level() };
  #turn: Priority = 'high';
  #places = weights.high;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** `first`: before the others of its workflow: work that had begun. */
  add(task: T, first = false): void {
    this.#levels[task.priority].add(task, first);
    this.#size += 1;
  }

  /** Only a task that is in the list. */
  remove(task: T): void {
    this.#levels[task.priority].remove(task);
    this.#size -= 1;
  }

  take(): T | undefined {
    if (this.#size === 0) return undefined;
    while (this.#places === 0 || this.#levels[this.#turn].empty) this.#pass();
    this.#places -= 1;
    this.#size -= 1;
    return this.#levels[this.#turn].take();
  }

  #pass(): void {
    this.#turn = priorities[(priorities.indexOf(this.#turn) + 1) % priorities.length] ?? 'high';
    this.#places = weights[this.#turn];
  }
}
