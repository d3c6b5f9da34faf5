// Owns: asking the system what it knows of the runs with acknowledged facts, and saying what is lost.
import { natsJournal, natsLedger } from '../../adapters/nats/nats.ts';
import { isSignalboxError } from '../../api/errors.ts';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import type { LedgerEntry } from '../../ports/journal.ts';
import type { HistoryPage } from '../../runtime/engine/control.ts';
import { type EngineStage, namespace, partitions } from '../support/engine-stage.ts';
import { until } from '../support/until.ts';
import { type Fact, lostOf, type Recorder, type Told } from './recorder.ts';

const parallelMax = 16;
/** Answers that say for good that there is no fact to be had. */
const isGone: ReadonlySet<string> = new Set(['NOT_FOUND', 'JOURNAL_CORRUPT', 'JOURNAL_ROLLED_BACK']);

export interface Looked {
  readonly lost: readonly Fact[];
  /** What is wrong with a history as such: a gap, an event twice. */
  readonly broken: readonly string[];
  /** Why a run had no answer, in the engine's words. */
  readonly refused: readonly string[];
}

/** Looks for every acknowledged fact of these runs; `delivered`: bus events must have arrived by now. */
export async function look(
  stage: EngineStage,
  recorder: Recorder,
  runs: readonly string[],
  delivered = false,
): Promise<Looked> {
  const lost: Fact[] = [];
  const broken: string[] = [];
  const refused = new Set<string>();
  const rest = [...runs];
  const one = async (): Promise<void> => {
    for (let run = rest.pop(); run !== undefined; run = rest.pop()) {
      // A copy: what is acknowledged while the system is asked need not be in its answer.
      const facts = [...recorder.facts(run)];
      const told = await tellOf(stage, run, { facts, refused });
      lost.push(...lostOf(facts, told, delivered));
      const gap = told.history?.findIndex((event, index) => event.seq !== index + 1) ?? -1;
      if (gap >= 0) broken.push(`run ${run}: event ${gap + 1} of its history has number ${told.history?.[gap]?.seq}`);
    }
  };
  await Promise.all(Array.from({ length: parallelMax }, one));
  return { lost, broken, refused: [...refused] };
}

interface About {
  readonly facts: readonly Fact[];
  readonly refused: Set<string>;
}

async function tellOf(stage: EngineStage, run: string, { facts, refused }: About): Promise<Told> {
  const asking = { stage, run, refused };
  const history = await wholeHistory(asking);
  const summary = await answered<RunSummary>(asking, 'show', { run });
  const entries = new Map<string, LedgerEntry>();
  const ledger = natsLedger(stage.control);
  for (const fact of facts) {
    if (fact.kind !== 'effect') continue;
    const { entry } = await ledger.read({ namespace, run, key: fact.key });
    if (entry !== undefined) entries.set(fact.key, entry);
  }
  return { history, summary, ledger: (key) => entries.get(key) };
}

interface Asking {
  readonly stage: EngineStage;
  readonly run: string;
  readonly refused: Set<string>;
}

/** Undefined when there is no such run, or the journal that has it cannot be read. */
async function wholeHistory(asking: Asking): Promise<readonly HistoryEvent[] | undefined> {
  const { run } = asking;
  const events: HistoryEvent[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: HistoryPage | undefined = await answered<HistoryPage>(asking, 'history', { run, after });
    if (page === undefined) return undefined;
    events.push(...page.events);
    after = page.next;
  }
  return events;
}

/** The answer, undefined when the system says that there is none; that nobody answers is no finding about the run. */
function answered<T>(
  { stage, run, refused }: Asking,
  verb: 'history' | 'show',
  payload: object,
): Promise<T | undefined> {
  return until(
    `an answer about run ${run}`,
    async () => {
      const reply = await stage.ask<T>(run, verb, payload);
      if (reply.ok) return { result: reply.result };
      if (isGone.has(reply.code)) {
        refused.add(`${reply.code}: ${reply.message.replace(run, 'RUN')}`);
        return { result: undefined };
      }
      throw new Error(`${reply.code}: ${reply.message}`);
    },
    60_000,
  ).then(({ result }) => result);
}

/** Partitions whose stream the server does not know any more; waits until it answers. */
export async function missingJournals(stage: EngineStage): Promise<readonly number[]> {
  const journal = natsJournal(stage.control);
  const missing: number[] = [];
  for (let number = 0; number < partitions; number += 1) {
    const there = await until(`the journal of partition ${number}`, () =>
      journal.partition(number).then(
        () => true,
        (error: unknown) => (isSignalboxError(error, 'NOT_FOUND') ? false : Promise.reject(error)),
      ),
    );
    if (!there) missing.push(number);
  }
  return missing;
}

/** How the journal was written: records, and how many of them carry the events of more than one run. */
export async function commitRecords(stage: EngineStage): Promise<{ records: number; shared: number; runsMax: number }> {
  const journal = natsJournal(stage.control);
  let [records, shared, runsMax] = [0, 0, 0];
  for (let number = 0; number < partitions; number += 1) {
    for await (const { record } of (await journal.partition(number)).read(1)) {
      records += 1;
      if (record.runs.length > 1) shared += 1;
      runsMax = Math.max(runsMax, record.runs.length);
    }
  }
  return { records, shared, runsMax };
}
