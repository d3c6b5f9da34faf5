import { expect, test } from 'vitest';
import type { SystemStatus } from '../../api/messages/status.ts';
import { partitionStatus } from '../../test/support/objects.ts';
import { limitUse, says } from './says.ts';

const status = (differing: Partial<SystemStatus> = {}): Omit<SystemStatus, 'says'> => ({
  partitions: [partitionStatus(0), partitionStatus(1, { engine: 'engine-b' })],
  deadLetters: [],
  limits: [],
  ...differing,
});
const limit = (name: string, of: string, used: number, bound: number) =>
  limitUse({ limit: name, of, used, bound, unit: 'runs' });

test('nothing to say is one sentence with the figures', () => {
  expect(says(status({ limits: [limit('openRuns', 'Namespace clinic', 79, 100)] }))).toEqual([
    'All is well: 2 partitions on 2 engines, 6 runs open, nothing given up, no bound near.',
  ]);
});

test('the most pressing first: not served, parked, given up, reached, near', () => {
  const told = says(
    status({
      partitions: [
        partitionStatus(0, { parked: 1 }),
        { partition: 1, code: 'NOT_OWNER', message: 'nobody answers' },
        { partition: 2, code: 'JOURNAL_CORRUPT', message: 'record 7 is damaged' },
      ],
      deadLetters: [
        { namespace: 'clinic', reason: 'poison', open: 2 },
        { namespace: 'clinic', reason: 'malformed', open: 1 },
      ],
      limits: [limit('openRuns', 'Namespace a', 80, 100), limit('openRuns', 'Namespace b', 100, 100)],
    }),
  );
  expect(told).toEqual([
    'Partition 1 is not served: nobody answers; see the pods of Deployment signalbox-engine and their logs.',
    'Partition 2 is not served: record 7 is damaged; see docs/how-to/disk-trouble.md.',
    '1 run stands still until a newer engine comes; see signalbox escalations -A.',
    '3 dead letters wait for a person in namespace clinic (2 poison, 1 malformed); see signalbox deadletters list -n clinic.',
    'Namespace b: 100 of 100 runs: new runs are refused until some have ended, or the annotation of the Namespace is raised.',
    'Namespace a: 80 of 100 runs, which is near.',
  ]);
});
