// Owns: what an agent has spent today (UTC). Counted after each call, so it may overshoot by the calls in flight.
import { buckets } from '../../api/messages/subjects.ts';
import type { Bucket, Bus } from '../../ports/bus.ts';
import type { Clock, Log } from '../../ports/system.ts';

export interface Spend {
  /** What is left of the day's budget. */
  leftMicros(agent: SpendingAgent): Promise<number>;
  add(agent: SpendingAgent, micros: number): Promise<void>;
}

export interface SpendingAgent {
  readonly namespace: string;
  readonly name: string;
  readonly perDayMicros: number;
}

interface DaySpend {
  readonly costMicros: number;
}

const triesMax = 8;

export function spendOf(bus: Bus, clock: Clock, log: Log): Spend {
  let opened: Promise<Bucket<DaySpend>> | undefined;
  const bucket = (): Promise<Bucket<DaySpend>> => {
    opened ??= bus.bucket<DaySpend>(buckets.spend);
    opened.catch(() => (opened = undefined));
    return opened;
  };
  const keyOf = ({ namespace, name }: SpendingAgent): string =>
    `${namespace}.${name}.${new Date(clock.now()).toISOString().slice(0, 10)}`;
  return {
    async leftMicros(agent) {
      const entry = await (await bucket()).get(keyOf(agent));
      return agent.perDayMicros - (entry?.value.costMicros ?? 0);
    },
    async add(agent, micros) {
      if (micros <= 0) return;
      const key = keyOf(agent);
      for (let tries = 0; tries < triesMax; tries += 1) {
        const days = await bucket();
        const entry = await days.get(key);
        const costMicros = (entry?.value.costMicros ?? 0) + micros;
        if ((await days.update(key, { costMicros }, entry?.revision ?? 0)) !== undefined) return;
      }
      log.warn('daily spend could not be counted', { agent: agent.name, micros });
    },
  };
}
