import { describe, expect, test } from 'vitest';
import type { RunSummary } from '../../api/messages/history.ts';
import type { EscalationObject } from '../kube/escalations.ts';
import { escalationColumns, escalationText } from './escalation.ts';
import { runColumns, runText } from './run.ts';
import { coloured, plain } from './style.ts';
import { type Column, table } from './table.ts';
import { cut, widthOf, wrap } from './width.ts';

const now = Date.UTC(2026, 10, 23, 12, 0, 0);

const run = (over: Partial<RunSummary>): RunSummary => ({
  run: '7dKq3vXW1pLm9RtYzB2cNf',
  namespace: 'clinic',
  workflow: 'billing',
  workflowDigest: `sha256:${'ab'.repeat(32)}`,
  requestedBy: 'front-desk',
  source: 'http',
  status: 'Closed',
  state: 'paid',
  outcome: 'success',
  message: 'inv-1042 is paid.',
  costMicros: 2158,
  effects: 1,
  attempts: 3,
  repairs: 1,
  escalations: 1,
  route: 'primary',
  startedAt: now - 3_723_000,
  closedAt: now - 3_657_997,
  seq: 23,
  ...over,
});
const runs: readonly RunSummary[] = [
  run({}),
  run({
    run: '0AbCdEfGhIjKlMnOpQrStU',
    workflow: 'clinician-onboarding',
    status: 'Waiting',
    state: 'approve-discovery',
    outcome: '',
    escalation: '0abcdefghijklmnopqrstu-1',
    closedAt: now,
    startedAt: now - 4000,
  }),
  run({ run: '9zZ', workflow: 'patient-call', outcome: 'handedOver', state: 'emergencyDesk', costMicros: 1_250_000 }),
];

const escalation: EscalationObject = {
  apiVersion: 'signalbox.dev/v1alpha1',
  kind: 'Escalation',
  metadata: { name: '7dkq3vxw1plm9rtyzb2cnf-1', namespace: 'clinic' },
  spec: {
    id: '7dkq3vxw1plm9rtyzb2cnf-1',
    run: '7dKq3vXW1pLm9RtYzB2cNf',
    workflow: 'billing',
    state: 'charge',
    agent: 'billing',
    signal: 'approval',
    action: 'approval',
    queue: 'billing-approvals',
    question: 'May billing charge $1,250.00 for inv-1042? The limit for charges on its own is $1,000.00.',
    evidence: ['args.amountCents > 100000 is true', 'no earlier charge of inv-1042 is known'],
    proposal: { tool: 'charge-card', args: { invoice: 'inv-1042', amountCents: 125000, memo: 'x'.repeat(90) } },
    digest: `sha256:${'9a'.repeat(32)}`,
    requestedBy: 'front-desk',
    costMicros: 84,
    openedAt: '2026-11-23T11:59:00Z',
    deadline: '2026-11-23T12:29:00Z',
  },
};

describe('a list of runs', () => {
  test.each([80, 120])('at %i columns', async (columns) => {
    const text = `${table(runs, runColumns(now), { columns }).join('\n')}\n`;
    for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(columns);
    await expect(text).toMatchFileSnapshot(`../golden/runs.${columns}.txt`);
  });

  test('never cuts the name of a run, however narrow', () => {
    const text = table(runs, runColumns(now), { columns: 40 }).join('\n');
    for (const { run: id } of runs) expect(text).toContain(id);
  });

  test('shows everything with wide', async () => {
    const text = `${table(runs, runColumns(now), { columns: 80, wide: true }).join('\n')}\n`;
    await expect(text).toMatchFileSnapshot('../golden/runs.wide.txt');
  });
});

test('one run at 80 columns', async () => {
  const long = run({
    message: `It waits: ${'a long sentence '.repeat(9)}`,
    key: 'inv-1042',
    object: { name: 'invoice-1042', uid: 'u' },
  });
  await expect(
    `${runText(long, now, { columns: 80, paint: plain, again: ' -n clinic --name try' })}\n`,
  ).toMatchFileSnapshot('../golden/run.80.txt');
});

test('escalations at 80 columns', async () => {
  const rows = [
    escalation,
    { ...escalation, status: { state: 'Decided', option: 'approve', decidedBy: 'maria' } } as EscalationObject,
  ];
  const text = `${table(rows, escalationColumns(now), { columns: 80 }).join('\n')}\n\n${escalationText(escalation, now, { columns: 80, paint: plain })}\n`;
  for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80);
  await expect(text).toMatchFileSnapshot('../golden/escalations.80.txt');
});

test('what would be done is shown whole: the answer binds to it', () => {
  const text = escalationText(escalation, now, { columns: 80, paint: plain });
  expect(text.replaceAll(/\s/g, '')).toContain('x'.repeat(90));
  expect(text).toContain(escalation.spec.digest);
});

describe('a table', () => {
  const columns: readonly Column<{ a: string; b: string; c: number }>[] = [
    { title: 'NAME', value: (row) => row.a },
    {
      title: 'WORDS',
      value: (row) => row.b,
      shrinkTo: 6,
      drop: 1,
      tone: (_row, paint) => (text) => paint('red', text),
    },
    { title: 'N', value: (row) => String(row.c), right: true },
  ];
  const rows = [{ a: 'first', b: 'some words that are long', c: 7 }];

  test('shrinks words first', () => {
    expect(table(rows, columns, { columns: 20 })).toEqual(['NAME   WORDS       N', 'first  some word…  7']);
  });
  test('then leaves the least important column out', () => {
    expect(table(rows, columns, { columns: 14 })).toEqual(['NAME   N', 'first  7']);
  });
  test('lines up rows that follow', () => {
    const first = table(rows, columns, { columns: 60 });
    const next = { a: 'x', b: 'new', c: 10 };
    expect(table([next], columns, { columns: 60, below: [...rows, next] })).toEqual([`x      ${'new'.padEnd(24)}  10`]);
    expect(first).toHaveLength(2);
  });
  test('pads around colours, not with them', () => {
    expect(table(rows, columns, { columns: 40, paint: coloured })[1]).toBe(
      'first  \u001b[31msome words that are long\u001b[39m  7',
    );
  });
  test('shows no control character of a cell', () => {
    expect(table([{ a: 'a\u001b[2J\nb', b: '', c: 1 }], columns, { columns: 60 })[1]).toBe('a\\u001b[2J b  -      1');
  });
});

test('widths: wide characters count two, marks none', () => {
  expect([widthOf('日本'), widthOf('é'), widthOf('👍')]).toEqual([4, 1, 2]);
  expect(cut('日本語です', 6)).toBe('日本…');
  expect(wrap('a word and averyveryverylongword', 10)).toEqual(['a word and', 'averyveryv', 'erylongwor', 'd']);
});
