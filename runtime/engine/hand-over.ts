// Owns: what a slot of a worker goes on with at once: the next work comes with the answer to the last report, claimed already.
//   H1: it is what the stream would have given: the order is the dispatch's (D4), and the claim is checked like any other.
//   H2: an answer stays far below the largest message.
import type { ClaimReply, Work } from '../../api/messages/asks.ts';
import { taskSubject, type WorkerIdentity } from '../../api/messages/subjects.ts';
import type { Serving } from './serving.ts';

/** Characters of work that an answer may carry: each may take three bytes, and a message at most 1 MiB. */
const charactersMax = 262_144;

/** Tasks that turn out to be over already before one gives up. */
const triesMax = 3;

export interface Slot {
  readonly serving: Serving;
  readonly identity: WorkerIdentity;
  /** The worker, as claims name it. */
  readonly worker: string;
  readonly claim: (task: {
    readonly run: string;
    readonly activity: string;
    readonly attempt: number;
  }) => Promise<ClaimReply>;
}

export async function handOver(slot: Slot): Promise<Work | undefined> {
  const { serving, identity, worker } = slot;
  const subject = taskSubject(identity.namespace, identity.agent, identity.bundle);
  for (let tries = 0; tries < triesMax; tries += 1) {
    const task = serving.dispatch.take(subject, worker);
    if (task === undefined) return undefined;
    const { run, activity, attempt } = task;
    const reply = await slot.claim({ run, activity, attempt }).catch(() => undefined);
    if (reply?.kind === 'Work' && fits(reply)) return reply;
    serving.dispatch.release(run, worker);
  }
  return undefined;
}

const fits = ({ input, facts, turns, goal }: Work): boolean =>
  JSON.stringify([input, facts, turns, goal]).length <= charactersMax;
