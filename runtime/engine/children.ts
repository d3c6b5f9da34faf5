// Owns: asking the owners of children until they are closed. What is wanted follows from folded state and is asked again after
// a takeover; a child's hint makes it fast, this makes it certain.
import type { ChildClosedRequest, ChildHint, ChildReport, ChildRequest, EngineReply } from '../../api/messages/asks.ts';
import { refused } from '../../core/workflow/join.ts';
import type { Command } from '../../core/workflow/plan.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { Log } from '../../ports/system.ts';
import { Repeats } from './repeats.ts';

/** How parents and children in other partitions are reached. */
export interface Family {
  askChild(child: string, request: ChildRequest): Promise<EngineReply<ChildReport>>;
  /** The child is closed; true once its parent knows, or nobody waits for it. */
  tellParent(hint: ChildHint): Promise<boolean>;
}

export type ChildCommand = Extract<Command, { readonly request: ChildRequest }>;

export interface ChildrenOptions {
  readonly now: () => number;
  /** What a parent wants of its children now. Looked up at each question: a parent that waits is packed away. */
  readonly wanted: (parent: string) => readonly ChildCommand[];
  /** Asks the owner of the child. */
  readonly ask: (child: string, request: ChildRequest) => Promise<EngineReply<ChildReport>>;
  /** The child is closed: tells the parent, here. */
  readonly closed: (parent: string, request: ChildClosedRequest) => Promise<unknown>;
  readonly log: Log;
}

/** Asking again cannot help: the child is taken for failed. */
const final = new Set(['INVALID_INPUT', 'DENIED']);

export class Children {
  readonly #options: ChildrenOptions;
  readonly #asks: Repeats;
  readonly #ofParent = new Map<string, ReadonlySet<string>>();

  constructor(options: ChildrenOptions) {
    this.#options = options;
    this.#asks = new Repeats({ now: options.now, log: options.log, about: 'asking the owner of a child' });
  }

  /** What a run wants of its children now; one it does not name any more is forgotten. */
  want(parent: string, commands: readonly ChildCommand[]): void {
    const before = this.#ofParent.get(parent);
    if (commands.length === 0 && before === undefined) return;
    const now = new Set(commands.map(({ run }) => run));
    for (const child of before ?? []) if (!now.has(child)) this.#asks.forget(child);
    if (now.size === 0) this.#ofParent.delete(parent);
    else this.#ofParent.set(parent, now);
    for (const { run, request } of commands) {
      const what = `${request.want}${request.start.readOnly === true ? ', read-only' : ''}`;
      this.#asks.want(run, what, () => this.#ask(parent, run));
    }
  }

  /** Somebody says that there is news of the child: it is asked now. */
  hint(child: string): void {
    this.#asks.hint(child);
  }

  /** Children that are not known to be closed. */
  get open(): number {
    return this.#asks.open;
  }

  stop(): void {
    this.#asks.stop();
  }

  async #ask(parent: string, child: string): Promise<boolean> {
    const request = this.#options.wanted(parent).find(({ run }) => run === child)?.request;
    if (request === undefined) return false;
    failpoint('engine.child.before');
    const report = answerOf(await this.#options.ask(child, request), request);
    failpoint('engine.child.answered');
    if (report.kind !== 'Closed') return false;
    await this.#options.closed(parent, { namespace: request.start.namespace, run: parent, child, report });
    failpoint('engine.child.joined');
    return true;
  }
}

function answerOf(reply: EngineReply<ChildReport>, { want }: ChildRequest): ChildReport {
  if (reply.ok) return reply.result;
  if (want === 'Running' && final.has(reply.code)) return refused(reply.code, reply.message);
  throw new Error(`${reply.code}: ${reply.message}`);
}
