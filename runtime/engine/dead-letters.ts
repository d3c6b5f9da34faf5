// Owns: what becomes of dead letters: tried again or dropped by a person, with who and why; asked about once per group; counted.
//   L1: a retry is made before it is noted: after a crash in between it is made twice, and what it starts is recognised.
import { SignalboxError } from '../../api/errors.ts';
import { type DeadLetter, deadLetterReasons } from '../../api/messages/dead-letter.ts';
import type { DecideRequest, EngineReply } from '../../api/messages/asks.ts';
import type { EscalationRecord } from '../../api/messages/history.ts';
import { eventSubject } from '../../api/messages/subjects.ts';
import { decidedKeptMs, lettersMax } from '../../core/dead-letter/letter.ts';
import { groupOfRun, lettersNotice } from '../../core/escalation/notice.ts';
import type { StoredLetter } from '../../ports/dead-letters.ts';
import { failpoint } from '../../ports/failpoint.ts';
import { resultOf } from './forward.ts';
import { Notices } from './notices.ts';
import type { EnginePorts } from './ports.ts';
import { type Starting, start, type Wish } from './start.ts';

export interface LetterOptions extends Starting {
  readonly ports: EnginePorts;
}

/** Who decides, and why. */
export interface LetterDecision {
  readonly what: 'retry' | 'drop';
  readonly by: string;
  readonly reason: string;
}

const LOOK_MS = 1_000;
const SWEEP_MS = 3_600_000;

export async function readLetter({ ports }: LetterOptions, namespace: string, id: string): Promise<StoredLetter> {
  const stored = await ports.deadLetters.read(namespace, id);
  if (stored !== undefined) return stored;
  throw new SignalboxError(
    'NOT_FOUND',
    `namespace ${namespace} has no dead letter ${id}; see signalbox deadletters list`,
  );
}

/** Decides one letter; deciding it again is refused with STALE. */
export async function decideLetter(
  options: LetterOptions,
  target: { readonly namespace: string; readonly id: string },
  decision: LetterDecision,
): Promise<DeadLetter> {
  const stored = await readLetter(options, target.namespace, target.id);
  const { letter } = stored;
  if (letter.state !== 'Open') {
    const { by = 'somebody', reason = '' } = letter.decided ?? {};
    throw new SignalboxError('STALE', `dead letter ${letter.id} was ${letter.state.toLowerCase()} by ${by}: ${reason}`);
  }
  if (decision.what === 'retry') {
    await tryAgain(options, letter);
    failpoint('engine.letter.retried');
  }
  const { ports } = options;
  const { by, reason } = decision;
  const state = decision.what === 'retry' ? 'Retried' : 'Dropped';
  const decided: DeadLetter = { ...letter, state, decided: { by, reason, at: ports.clock.now() } };
  const written = await ports.deadLetters.decide(stored, decided);
  failpoint('engine.letter.decided');
  if (!written) return overtaken(options, decided);
  ports.log.info('a dead letter was decided', { letter: letter.id, namespace: letter.namespace, state, by, reason });
  return decided;
}

/** Given up again, or decided by somebody else, meanwhile. A retry was made and its letter is what it is now; nothing was dropped. */
async function overtaken(options: LetterOptions, decided: DeadLetter): Promise<DeadLetter> {
  const { letter } = await readLetter(options, decided.namespace, decided.id);
  const own = letter.state === decided.state && letter.decided?.at === decided.decided?.at;
  if (own || decided.state === 'Retried') return letter;
  throw new SignalboxError(
    'STALE',
    `dead letter ${letter.id} has changed meanwhile and was not dropped: look at it again`,
  );
}

async function tryAgain(options: LetterOptions, letter: DeadLetter): Promise<void> {
  const { ports, owners } = options;
  const { origin, reason, namespace, id } = letter;
  if (reason === 'malformed') throw cannot(letter, 'it cannot be read now either; send it again in the right form');
  if (origin.kind === 'activity') throw cannot(letter, 'its run has gone on by another exit; start a new run');
  if (origin.kind === 'projection') {
    resultOf(await owners.ask(origin.run ?? '', 'project', { run: origin.run ?? '', namespace }));
    return;
  }
  const content = await ports.deadLetters.content(letter);
  if (content === undefined) throw cannot(letter, 'what it carried was not kept; send it again');
  if (origin.kind === 'event') {
    // Another identity than before: the stream would take it for a repetition.
    await ports.work.publish(eventSubject(namespace, origin.name), content, { id: `retry/${id}/${letter.lastAt}` });
    return;
  }
  await start(options, content as Wish);
}

const cannot = (letter: DeadLetter, why: string): SignalboxError =>
  new SignalboxError('INVALID_INPUT', `dead letter ${letter.id} cannot be tried again: ${why}, and drop this one`);

/** The answer to a group's question. Undefined when the answer is about a run. */
export async function decideGroup(
  options: LetterOptions,
  request: DecideRequest,
): Promise<EngineReply<unknown> | undefined> {
  const group = groupOfRun(request.run);
  if (group === undefined) return undefined;
  const { namespace, by, reason, option } = request;
  const all = await options.ports.deadLetters.list({ namespace }, lettersMax);
  const open = all.filter((letter) => letter.group === group && letter.state === 'Open');
  if (open.length === 0) return { ok: false, code: 'STALE', message: `no letter of group ${group} is open any more` };
  const what = option === 'approve' ? 'retry' : 'drop';
  const failed: string[] = [];
  for (const { id } of open) {
    await decideLetter(options, { namespace, id }, { what, by, reason }).catch((error: unknown) => {
      failed.push(error instanceof Error ? error.message : String(error));
    });
  }
  if (failed.length === 0) return { ok: true, result: { letters: open.length } };
  return {
    ok: false,
    code: 'INVALID_INPUT',
    message: `${failed.length} of ${open.length} letters: ${failed[0] ?? ''}`,
  };
}

/** Asks people, counts and sweeps: in one engine at a time, though two at once do no harm. */
export class LetterDesk {
  readonly #ports: EnginePorts;
  readonly #leads: () => boolean;
  readonly #notices: Notices;
  readonly #gauge: (value: number, labels?: Record<string, string>) => void;
  readonly #ticker: NodeJS.Timeout;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #looking = false;

  constructor(ports: EnginePorts, leads: () => boolean) {
    this.#ports = ports;
    this.#leads = leads;
    const own = (record: EscalationRecord): boolean => groupOfRun(record.run) !== undefined;
    this.#notices = new Notices({ bus: ports.control, log: ports.log, own, keys: /\.deadletters-/ });
    this.#gauge = ports.metrics.gauge('signalbox_dead_letters', 'Dead letters that wait for a person.', ['reason']);
    this.#ticker = setInterval(() => void this.#look(), LOOK_MS);
  }

  reconnected(): void {
    this.#notices.forget();
  }

  stop(): void {
    clearInterval(this.#ticker);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      if (this.#leads()) await this.#lead();
      else for (const reason of Object.keys(deadLetterReasons)) this.#gauge(0, { reason });
    } catch (error) {
      this.#ports.log.debug('dead letters cannot be read; they are looked at again', { error });
    } finally {
      this.#looking = false;
    }
  }

  async #lead(): Promise<void> {
    const { deadLetters, clock } = this.#ports;
    const counts = await deadLetters.counts();
    for (const [reason, count] of Object.entries(counts)) this.#gauge(count, { reason });
    const letters = await deadLetters.list({}, lettersMax);
    const groups = Map.groupBy(letters, (letter) => `${letter.namespace}/${letter.group}`);
    const wanted = [...groups.values()].flatMap((group) => lettersNotice(group) ?? []);
    await this.#notices.say(wanted, (record) => over(record, letters));
    if (clock.now() - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = clock.now();
    await deadLetters.sweep(clock.now() - decidedKeptMs);
  }
}

/** How a group's question ended: by the last decision about one of its letters. */
function over(record: EscalationRecord, letters: readonly DeadLetter[]): EscalationRecord {
  const group = groupOfRun(record.run);
  const last = letters
    .filter((letter) => letter.group === group && letter.decided !== undefined)
    .toSorted((left, right) => (right.decided?.at ?? 0) - (left.decided?.at ?? 0))[0];
  if (last?.decided === undefined) return { ...record, status: 'Closed' };
  const { by, reason, at } = last.decided;
  const option = last.state === 'Retried' ? 'approve' : 'reject';
  return { ...record, status: 'Decided', option, decidedBy: by, reason, decidedAt: at };
}
