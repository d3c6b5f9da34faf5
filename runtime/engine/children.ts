// Owns: asking the owners of children until they are closed. What is wanted follows from folded state and is asked again after
// a takeover; a child's hint makes it fast, this makes it certain.
//   L1: a child is asked at once when what is wanted changes, else later and later, up to every 10 minutes.
//   L2: at most `parallelMax` questions of a partition are under way.
import type { ChildClosedRequest, ChildReport, ChildRequest, EngineReply } from '../../api/messages/asks.ts';
import { refused } from '../../core/workflow/join.ts';
import type { Command } from '../../core/workflow/plan.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { Log } from '../../ports/system.ts';
import { Timers } from './timers.ts';

export type ChildCommand = Extract<Command, { readonly request: ChildRequest }>;

export interface ChildrenOptions {
  readonly now: () => number;
  /** Asks the owner of the child. */
  readonly ask: (child: string, request: ChildRequest) => Promise<EngineReply<ChildReport>>;
  /** The child is closed: tells the parent, here. */
  readonly closed: (parent: string, request: ChildClosedRequest) => Promise<unknown>;
  readonly log: Log;
}

interface Wanted {
  readonly parent: string;
  request: ChildRequest;
  asked: number;
  asking: boolean;
}

const parallelMax = 64;
const againMs = 1_000;
const againMaxMs = 600_000;
/** Asking again cannot help: the child is taken for failed. */
const final = new Set(['INVALID_INPUT', 'DENIED']);

export class Children {
  readonly #options: ChildrenOptions;
  readonly #wanted = new Map<string, Wanted>();
  readonly #ofParent = new Map<string, ReadonlySet<string>>();
  readonly #due = new Set<string>();
  readonly #timers: Timers;
  #asking = 0;
  #stopped = false;

  constructor(options: ChildrenOptions) {
    this.#options = options;
    this.#timers = new Timers(options.now, (child) => this.#soon(child));
  }

  /** What a run wants of its children now; one it does not name any more is forgotten. */
  want(parent: string, commands: readonly ChildCommand[]): void {
    const before = this.#ofParent.get(parent);
    if (commands.length === 0 && before === undefined) return;
    const now = new Set(commands.map(({ run }) => run));
    for (const child of before ?? []) if (!now.has(child)) this.#forget(child);
    if (now.size === 0) this.#ofParent.delete(parent);
    else this.#ofParent.set(parent, now);
    for (const { run, request } of commands) {
      const known = this.#wanted.get(run);
      const same = known?.request.want === request.want;
      if (known === undefined) this.#wanted.set(run, { parent, request, asked: 0, asking: false });
      else known.request = request;
      if (known !== undefined && !same) known.asked = 0;
      if (!same) this.#soon(run);
    }
  }

  /** Somebody says that there is news of the child: it is asked now. */
  hint(child: string): void {
    if (this.#wanted.has(child)) this.#soon(child);
  }

  /** Children that are not known to be closed. */
  get open(): number {
    return this.#wanted.size;
  }

  stop(): void {
    this.#stopped = true;
    this.#timers.stop();
    this.#due.clear();
    this.#wanted.clear();
  }

  #forget(child: string): void {
    this.#wanted.delete(child);
    this.#due.delete(child);
    this.#timers.set(child, undefined);
  }

  #soon(child: string): void {
    this.#due.add(child);
    this.#work();
  }

  #work(): void {
    for (const child of this.#due) {
      if (this.#stopped || this.#asking >= parallelMax) return;
      const wanted = this.#wanted.get(child);
      // While one question is under way the next waits for its answer.
      if (wanted?.asking === true) continue;
      this.#due.delete(child);
      if (wanted !== undefined) void this.#ask(child, wanted);
    }
  }

  async #ask(child: string, wanted: Wanted): Promise<void> {
    const { request, parent } = wanted;
    wanted.asking = true;
    this.#asking += 1;
    try {
      failpoint('engine.child.before');
      const report = answerOf(await this.#options.ask(child, request), request);
      failpoint('engine.child.answered');
      if (report.kind === 'Closed') {
        await this.#options.closed(parent, { namespace: request.start.namespace, run: parent, child, report });
        failpoint('engine.child.joined');
      }
    } catch (error) {
      if (!this.#stopped) this.#options.log.debug('a child could not be asked; it is asked again', { child, error });
    } finally {
      this.#asking -= 1;
      wanted.asking = false;
      wanted.asked += 1;
      const next = this.#options.now() + Math.min(againMaxMs, againMs * 2 ** Math.min(20, wanted.asked - 1));
      if (!this.#stopped && this.#wanted.get(child) === wanted) this.#timers.set(child, next);
      this.#work();
    }
  }
}

function answerOf(reply: EngineReply<ChildReport>, { want }: ChildRequest): ChildReport {
  if (reply.ok) return reply.result;
  if (want === 'Running' && final.has(reply.code)) return refused(reply.code, reply.message);
  throw new Error(`${reply.code}: ${reply.message}`);
}
