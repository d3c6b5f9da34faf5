import { expect, test } from 'vitest';
import type { RunSummary } from '../../api/messages/history.ts';
import { runSummary } from '../../test/support/objects.ts';
import { familyOf, treeLines } from './tree.ts';

const child = (name: string, run: string, more = {}) => ({ child: name, run, workflow: 'wf', state: 'fork', ...more });
const runs: Readonly<Record<string, RunSummary>> = {
  top: runSummary({
    run: 'top',
    children: [child('credit', 'c1'), child('stock', 's1', { outcome: 'success' }), child('late', 'l1')],
  }),
  c1: runSummary({ run: 'c1', state: 'ask', children: [child('bureau', 'b1', { outcome: 'failed' })] }),
  s1: runSummary({ run: 's1', status: 'Closed', outcome: 'success' }),
  b1: runSummary({ run: 'b1', status: 'Closed', outcome: 'failed' }),
};

test('children and theirs, the ones that are not started too', async () => {
  const family = await familyOf(runs['top'] as RunSummary, async (run) => runs[run]);
  expect(treeLines(family)).toEqual([
    '├ credit: run c1 of wf, Running in ask',
    '│ └ bureau: run b1 of wf, failed',
    '├ stock: run s1 of wf, success',
    '└ late: run l1 of wf, not started yet',
  ]);
});

test('a tree asks for at most a hundred runs', async () => {
  const wide = (run: string): RunSummary =>
    runSummary({ run, children: Array.from({ length: 16 }, (_, n) => child(`b${n}`, `${run}.${n}`)) });
  let asked = 0;
  await familyOf(wide('r'), async (run) => {
    asked += 1;
    return wide(run);
  });
  expect(asked).toBe(100);
});
