// Owns: how the runtime as a whole is: what each partition's owner says, what was given up, which bounds are near.
import type {
  LettersStatus,
  LimitUse,
  PartitionProblem,
  PartitionStatus,
  SystemStatus,
} from '../../api/messages/status.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { lettersMax } from '../../core/dead-letter/letter.ts';
import { callsOfMinute, type MinuteCount } from '../../core/limits/minute.ts';
import { isServed, limitUse, says } from '../../core/status/says.ts';
import type { Catalog } from './catalog.ts';
import type { Owners } from './forward.ts';
import type { EnginePorts } from './ports.ts';
import { startsUpTo, workUpTo } from './room.ts';
import type { Serving } from './serving.ts';
import type { Tenants } from './tenants.ts';

export interface StatusOptions {
  readonly ports: EnginePorts;
  readonly catalog: Catalog;
  readonly owners: Owners;
}

/** The verb `status`. */
export async function partitionStatus(serving: Serving, tenants: Tenants, engine: string): Promise<PartitionStatus> {
  const { partition, dispatch, parked, room } = serving;
  const counted = await tenants.counted(serving);
  return {
    partition: partition.number,
    engine,
    runs: partition.table.counts(),
    parked: parked.size,
    tasks: { waiting: dispatch.waiting, claimed: dispatch.claimed },
    fullness: room.fullness,
    tenants: counted.flatMap(({ namespace, used, bounds: { openRuns: bound } }) =>
      bound === undefined ? [] : [{ namespace, used, bound }],
    ),
  };
}

export async function systemStatus(options: StatusOptions): Promise<SystemStatus> {
  const [partitions, letters, calls] = await Promise.all([
    partitionsOf(options.owners),
    options.ports.deadLetters.list({}, lettersMax),
    callLimits(options),
  ]);
  const open = letters.filter(({ state }) => state === 'Open');
  const groups = Map.groupBy(open, ({ namespace, reason }) => `${namespace}/${reason}`);
  const deadLetters = [...groups.values()].flatMap(([first, ...rest]): readonly LettersStatus[] =>
    first === undefined ? [] : [{ namespace: first.namespace, reason: first.reason, open: rest.length + 1 }],
  );
  const limits = [...builtIn(partitions, letters.length), ...calls];
  return { partitions, deadLetters, limits, says: says({ partitions, deadLetters, limits }) };
}

async function partitionsOf(owners: Owners): Promise<readonly (PartitionStatus | PartitionProblem)[]> {
  const asked = Array.from({ length: owners.partitions }, async (_, partition) => {
    const reply = await owners.askPartition<PartitionStatus>(partition, 'status', {});
    return reply.ok ? reply.result : { partition, code: reply.code, message: reply.message };
  });
  return Promise.all(asked);
}

function builtIn(partitions: readonly (PartitionStatus | PartitionProblem)[], letters: number): readonly LimitUse[] {
  const served = partitions.filter(isServed);
  return [
    ...served.flatMap(({ partition, fullness }) => {
      const of = `Journal of partition ${partition}`;
      const used = Math.floor(fullness * 100);
      return [
        limitUse({ limit: 'journalWork', of, used, bound: workUpTo * 100, unit: 'percent' }),
        limitUse({ limit: 'journalStarts', of, used, bound: startsUpTo * 100, unit: 'percent' }),
      ];
    }),
    limitUse({ limit: 'deadLetters', of: 'Dead letters', used: letters, bound: lettersMax, unit: 'letters' }),
    ...served.flatMap(({ tenants }) =>
      tenants.map(({ namespace, used, bound }) =>
        limitUse({ limit: 'openRuns', of: `Namespace ${namespace}`, used, bound, unit: 'open runs' }),
      ),
    ),
  ];
}

/** Tools and models with a bound per minute, over all gateways of their namespace. */
async function callLimits({ ports, catalog }: StatusOptions): Promise<readonly LimitUse[]> {
  const bucket = await ports.control.bucket<MinuteCount>(buckets.limits);
  const limited = catalog.callLimits().map(async ({ namespace, kind, name, perMinute }) => {
    const entry = await bucket.get(`${namespace}.${kind}.${name}`);
    const used = callsOfMinute(entry?.value, ports.clock.now());
    const of = `${kind === 'tool' ? 'Tool' : 'Model'} ${name} of namespace ${namespace}`;
    return limitUse({ limit: 'callsPerMinute', of, used, bound: perMinute, unit: 'calls in a minute' });
  });
  return Promise.all(limited);
}
