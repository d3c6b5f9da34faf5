import { expect, test } from 'vitest';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import type { Host } from '../host.ts';
import { openScreen } from '../output/screen.ts';
import { openBoard } from './board.ts';
import { judge } from './perform.ts';
import { nextSteps, resultOf, runTable } from './report.ts';
import type { Shown } from './scene.ts';
import { scenes } from './scenes.ts';

const summary: RunSummary = {
  run: '7dKq3vXW1pLm9RtYzB2cNf',
  namespace: 'clinic',
  workflow: 'patient-call',
  workflowDigest: 'sha256:0',
  requestedBy: 'admin',
  source: 'http',
  status: 'Closed',
  state: 'booked',
  outcome: 'success',
  message: 'reached booked',
  costMicros: 12_345,
  effects: 1,
  attempts: 2,
  repairs: 0,
  escalations: 0,
  route: 'primary',
  startedAt: 1_000,
  closedAt: 3_460,
  seq: 12,
} as RunSummary;

const shownOf = (name: string, run: Partial<RunSummary>, history: readonly HistoryEvent[] = []): Shown => {
  const scene = scenes.find((candidate) => candidate.name === name);
  if (scene === undefined) throw new Error(`no scene ${name}`);
  return { scene, run: { ...summary, workflow: scene.workflow, ...run }, history, effects: [], duplicates: 0 };
};

const opened = { type: 'EscalationOpened', escalation: { queue: 'emergency' } } as HistoryEvent;
const all = [
  shownOf('onboard', {}),
  shownOf(
    'red-flag',
    { status: 'Waiting', outcome: undefined, closedAt: undefined, escalations: 1, escalation: 'abc-1' } as never,
    [opened],
  ),
  shownOf('note', { repairs: 1 }),
];

const hostOf = (columns: number): Host =>
  ({
    screen: openScreen({ columns, write: () => true }, { write: () => true }, {}),
    clock: { now: () => 9_000 },
  }) as unknown as Host;

test('the table of runs fits 80 columns', () => {
  const lines = runTable(all, hostOf(80)).split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(lines[0]).toMatch(/^RUN +WORKFLOW +OUTCOME +COST +ESCALATED +EFFECTS +DUP +TOOK$/);
  expect(lines[2]).toMatch(/^red-flag .* Waiting .* emergency .* 0 +0 +8s$/);
});

test('the result has exactly the promised members', () => {
  const result = resultOf(all, { agentsReady: 7, ok: true, now: 9_000, began: 1_000 });
  expect(result).toMatchObject({ agentsReady: 7, escalations: 1, seconds: 8, ok: true });
  expect(Object.keys(result)).toEqual(['agentsReady', 'runs', 'escalations', 'seconds', 'ok']);
  expect(result.runs[1]).toEqual({
    name: 'red-flag',
    workflow: 'patient-call',
    outcome: 'waiting',
    escalated: true,
    effects: 0,
    duplicates: 0,
    costMicros: 12_345,
    seconds: 8,
  });
});

test('what to type next names the run, the question and the instance', () => {
  expect(nextSteps(all, 'demo')).toContain('signalbox trace 7dKq3vXW1pLm9RtYzB2cNf -n clinic');
  expect(nextSteps(all, 'demo').join('\n')).toContain('signalbox decide abc-1 reject');
  expect(Math.max(...nextSteps(all, 'demo').map((line) => line.length))).toBeLessThanOrEqual(78);
});

test('a scene that made a write although it should not is told, with what was found', () => {
  const wrong = {
    ...shownOf('red-flag', {}, [opened]),
    effects: [{ run: 'r', tool: 'book-appointment', key: null, args: {} }],
  };
  expect(judge(wrong)).toMatchObject({
    expected: 'red-flag: exactly these writes at the clinic: none',
    found: 'book-appointment',
    run: summary.run,
  });
});

test('the board redraws in place on a terminal and prints changes elsewhere', () => {
  const written = { terminal: '', file: '' };
  const terminal = { isTTY: true, columns: 80, write: (text: string) => void (written.terminal += text) };
  const file = { write: (text: string) => void (written.file += text) };
  for (const out of [terminal, file]) {
    const board = openBoard(openScreen(out, out, { NO_COLOR: '1' }));
    board.show('call', 'one');
    board.show('note', 'two');
    board.show('call', 'one');
    board.show('call', 'three');
  }
  expect(written.file).toBe('  call         one\n  note         two\n  call         three\n');
  expect(written.terminal.endsWith('\u001b[2A\u001b[2K  call         three\n\u001b[2K  note         two\n')).toBe(true);
});
