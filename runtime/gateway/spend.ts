// Owns: what the models of this gateway have cost, in accounts of the bucket `spend`: of an agent's day (UTC), of a run, of an
// activity. Counted after each call, so it may overshoot by the calls in flight.
//   S1: a call counts when it is made, whether its worker ever reports it or not.
//   S2: what could not be written yet is kept and written first: until then the account cannot be read, and nothing is asked.
import { SignalboxError } from '../../api/errors.ts';
import { buckets } from '../../api/messages/subjects.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Clock } from '../../ports/system.ts';

export interface Spend {
  /** What the account holds beyond what the journal knows of it. */
  unreported(account: Account): Promise<Unreported>;
  /** Adds the cost of one call to each account. */
  add(accounts: readonly Account[], micros: number): Promise<void>;
}

export interface Account {
  readonly key: string;
  /** What the journal knows of it; of an agent's day it knows nothing. */
  readonly reportedMicros: number;
  /** Of a run: the one activity that is at work. */
  readonly activity?: { readonly id: string; readonly reportedMicros: number };
}

export interface Unreported {
  readonly micros: number;
  readonly activityMicros: number;
}

export const dayAccount = (agent: { readonly namespace: string; readonly name: string }, now: number): Account => ({
  key: `${agent.namespace}.${agent.name}.${new Date(now).toISOString().slice(0, 10)}`,
  reportedMicros: 0,
});

export const runAccount = (
  run: { readonly namespace: string; readonly id: string },
  known: Omit<Account, 'key'>,
): Account => ({ ...known, key: `${run.namespace}.run.${run.id}` });

interface Entry {
  readonly costMicros: number;
  readonly activity?: string;
  readonly activityMicros?: number;
}

interface Owed {
  readonly account: Account;
  readonly micros: number;
}

/** One writer per account and process, so this is for those of other processes. */
const triesMax = 8;
const pauseMs = 20;

export function spendOf(bus: Pick<Bus, 'bucket'>, clock: Clock): Spend {
  const unwritten = new Map<string, Owed>();
  const writing = new Map<string, Promise<void>>();
  let opened: Promise<Bucket<Entry>> | undefined;
  const bucket = (): Promise<Bucket<Entry>> => {
    opened ??= bus.bucket<Entry>(buckets.spend);
    opened.catch(() => (opened = undefined));
    return opened;
  };
  const write = async (key: string): Promise<void> => {
    const entries = await bucket();
    for (let tries = 0; tries < triesMax; tries += 1) {
      const entry = await entries.get(key);
      const owed = unwritten.get(key);
      if (owed === undefined) return;
      if ((await entries.update(key, added(entry?.value, owed), entry?.revision ?? 0)) !== undefined) {
        const micros = (unwritten.get(key)?.micros ?? 0) - owed.micros;
        if (micros > 0) unwritten.set(key, { ...owed, micros });
        else unwritten.delete(key);
        return;
      }
      await clock.sleep(pauseMs * tries);
    }
    throw new SignalboxError('BUS_UNREACHABLE', `what ${key} has spent could not be counted; ask again`);
  };
  /** Resolves when nothing of the account is unwritten. */
  const settle = async (key: string): Promise<void> => {
    while (unwritten.has(key)) {
      const turn = writing.get(key) ?? write(key).finally(() => writing.delete(key));
      writing.set(key, turn);
      await turn;
    }
  };
  return {
    async unreported({ key, reportedMicros, activity }) {
      await settle(key);
      const known = (await (await bucket()).get(key))?.value;
      return {
        micros: Math.max(0, (known?.costMicros ?? 0) - reportedMicros),
        activityMicros:
          activity === undefined || known?.activity !== activity.id
            ? 0
            : Math.max(0, (known.activityMicros ?? 0) - activity.reportedMicros),
      };
    },
    async add(accounts, micros) {
      if (micros <= 0) return;
      for (const account of accounts) {
        unwritten.set(account.key, { account, micros: (unwritten.get(account.key)?.micros ?? 0) + micros });
      }
      await Promise.all(accounts.map(({ key }) => settle(key)));
    },
  };
}

/** Never below what the journal knows: an entry that has expired begins there. */
function added(known: Entry | undefined, { account, micros }: Owed): Entry {
  const { activity, reportedMicros } = account;
  const costMicros = Math.max(known?.costMicros ?? 0, reportedMicros) + micros;
  if (activity === undefined) return { costMicros };
  const before = known?.activity === activity.id ? (known.activityMicros ?? 0) : 0;
  return { costMicros, activity: activity.id, activityMicros: Math.max(before, activity.reportedMicros) + micros };
}
