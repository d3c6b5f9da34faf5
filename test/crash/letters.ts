// Owns: the scenario of a dead letter: an event that its workflow cannot take is kept for people; they mend the workflow and
// have it tried again.
import { natsDeadLetters } from '../../adapters/nats/nats.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { DeadLetter } from '../../api/messages/dead-letter.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import { engineSubject, eventSubject } from '../../api/messages/subjects.ts';
import { lettersMax } from '../../core/dead-letter/letter.ts';
import { lettersRun } from '../../core/escalation/notice.ts';
import { partitionOf, runIdFor } from '../../core/workflow/partition.ts';
import { stageNamespace } from '../support/gateway-stage.ts';
import { until } from '../support/until.ts';
import { picky, pickySubject } from './content.ts';
import { CLOSED_MS, closing, declare, plain, type Played, type Scenario, withdraw } from './played.ts';

const nameOf = (run: string): string => `picky-${run.toLowerCase()}`;

export const deadLetter: Scenario = {
  async begin(stage, run) {
    await declare(stage, picky(nameOf(run), false));
  },
  async finish(stage, run) {
    const name = nameOf(run);
    const started = runIdFor(stageNamespace, name, run);
    await until('the event is given up', () => givenUp(stage, run), CLOSED_MS);
    await declare(stage, picky(name, true));
    await until('its letter is tried again with what was mended', () => triedAgain(stage, run), CLOSED_MS);
    await closing(stage, started);
    await withdraw(stage, name);
    const letters = await lettersOf(stage, name);
    if (letters.length !== 1) throw new Error(`${letters.length} letters tell of one event`);
    return [{ ...plain, run: started }];
  },
};

async function lettersOf({ runs }: Played, name: string): Promise<readonly DeadLetter[]> {
  const all = await natsDeadLetters(runs.control, () => Date.now()).list({ namespace: stageNamespace }, lettersMax);
  return all.filter(({ origin }) => origin.name === pickySubject(name));
}

/** Sent again until it is a letter: an engine that does not know the workflow yet has nothing to do with its events. */
async function givenUp(stage: Played, run: string): Promise<DeadLetter | undefined> {
  const name = nameOf(run);
  const [letter] = await lettersOf(stage, name);
  if (letter !== undefined) return letter;
  const subject = pickySubject(name);
  const event = { id: `event-${run}`, namespace: stageNamespace, subject, key: run, payload: { run } };
  await stage.runs.work.publish(eventSubject(stageNamespace, subject), event);
  await new Promise((resolve) => setTimeout(resolve, 500));
  return undefined;
}

/** An engine that has not heard of the mended workflow gives it up again: then it is decided again. */
async function triedAgain(stage: Played, run: string): Promise<true | undefined> {
  const [letter] = await lettersOf(stage, nameOf(run));
  if (letter === undefined) throw new Error('the letter is gone');
  if (letter.state === 'Open') await approve(stage, letter);
  return letter.state === 'Retried' && (await isStarted(stage, runIdFor(stageNamespace, nameOf(run), run)))
    ? true
    : undefined;
}

async function isStarted({ runs: { control, partitions } }: Played, run: string): Promise<boolean> {
  const subject = engineSubject(partitionOf(run, partitions), 'show');
  return (await control.request<EngineReply<RunSummary>>(subject, { run, namespace: stageNamespace }, 2_000)).ok;
}

/** STALE: it was decided already, and the answer was lost. */
async function approve({ runs }: Played, { group }: DeadLetter): Promise<void> {
  const about = { namespace: stageNamespace, run: lettersRun(group), escalation: lettersRun(group) };
  const given = { queue: 'default', option: 'approve', by: 'lead', reason: 'mended', digest: '', decision: group };
  await runs.engine('decide', { ...about, ...given }).catch((error: unknown) => {
    if (!String(error).includes('STALE')) throw error;
  });
}
