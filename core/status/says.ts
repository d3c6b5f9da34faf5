// Owns: the sentences of a status: what somebody who was woken up needs to hear, the most pressing first.
import type {
  LettersStatus,
  LimitUse,
  PartitionProblem,
  PartitionStatus,
  SystemStatus,
} from '../../api/messages/status.ts';

/** Share of a bound from which on it is said. */
const nearFrom = 0.8;

export function limitUse(of: Omit<LimitUse, 'state'>): LimitUse {
  const share = of.used / of.bound;
  return { ...of, state: share >= 1 ? 'reached' : share >= nearFrom ? 'near' : 'fine' };
}

export const isServed = (one: PartitionStatus | PartitionProblem): one is PartitionStatus => 'engine' in one;

export function says({ partitions, deadLetters, limits }: Omit<SystemStatus, 'says'>): readonly string[] {
  const served = partitions.filter(isServed);
  const parked = served.reduce((sum, one) => sum + one.parked, 0);
  const told = [
    ...partitions.flatMap((one) =>
      isServed(one) ? [] : [`Partition ${one.partition} is not served: ${one.message}; see ${whereToLook(one)}.`],
    ),
    ...(parked === 0
      ? []
      : [
          `${parked} ${plural(parked, 'run stands', 'runs stand')} still until a newer engine comes; see signalbox escalations -A.`,
        ]),
    ...letters(deadLetters),
    ...limits.filter(({ state }) => state === 'reached').map((one) => `${words(one)}: ${whatNow(one)}.`),
    ...limits.filter(({ state }) => state === 'near').map((one) => `${words(one)}, which is near.`),
  ];
  return told.length > 0 ? told : [fine(served)];
}

const whereToLook = ({ code }: PartitionProblem): string =>
  code.startsWith('JOURNAL_')
    ? 'docs/how-to/disk-trouble.md'
    : 'the pods of Deployment signalbox-engine and their logs';

function letters(deadLetters: readonly LettersStatus[]): readonly string[] {
  return [...Map.groupBy(deadLetters, ({ namespace }) => namespace)].map(([namespace, of]) => {
    const open = of.reduce((sum, one) => sum + one.open, 0);
    const why = of.map((one) => `${one.open} ${one.reason}`).join(', ');
    return `${open} dead ${plural(open, 'letter waits', 'letters wait')} for a person in namespace ${namespace} (${why}); see signalbox deadletters list -n ${namespace}.`;
  });
}

const words = ({ of, used, bound, unit }: LimitUse): string => `${of}: ${used} of ${bound} ${unit}`;

function whatNow({ limit }: LimitUse): string {
  switch (limit) {
    case 'journalStarts':
      return 'new runs are refused until a checkpoint has made room, or the stream is larger';
    case 'journalWork':
      return 'no new work is begun; decisions, cancels and compensations are written';
    case 'openRuns':
      return 'new runs are refused until some have ended, or the annotation of the Namespace is raised';
    case 'callsPerMinute':
      return 'further calls wait for the rest of the minute';
    case 'deadLetters':
      return 'what cannot be handled stays where it is until letters are decided';
    default:
      return 'the bound is reached';
  }
}

function fine(served: readonly PartitionStatus[]): string {
  const engines = new Set(served.map(({ engine }) => engine)).size;
  const open = served.reduce((sum, { runs }) => sum + runs.Running + runs.Waiting + runs.Frozen, 0);
  return `All is well: ${served.length} ${plural(served.length, 'partition', 'partitions')} on ${engines} ${plural(engines, 'engine', 'engines')}, ${open} ${plural(open, 'run', 'runs')} open, nothing given up, no bound near.`;
}

const plural = (count: number, one: string, many: string): string => (count === 1 ? one : many);
