// Owns: one run with a very long history: what it takes to make it, to read it, and to take it over.
import type { EngineReply } from '../../api/messages/asks.ts';
import type { HistoryEvent } from '../../api/messages/history.ts';
import { engineSubject } from '../../api/messages/subjects.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import type { HistoryPage } from '../../runtime/engine/control.ts';
import { type EngineStage, namespace, partitions } from '../../test/support/engine-stage.ts';
import type { Desk } from '../../test/support/worker-desk.ts';
import { patiently, startMeasured } from './stage.ts';

export interface Long {
  readonly events: number;
  readonly eventsPerSecond: number;
  /** Points from which folding may begin; 0 where the history is too short. */
  readonly continuations: number;
  readonly historyMiB: number;
  readonly readMs: number;
  readonly pages: number;
  readonly showMs: number;
  /** From kill -9 of the engine to the first answer about the run; a standby was running. */
  readonly takeoverMs: number;
  readonly engineMiBBefore: number;
  readonly engineMiB: number;
}

const workflow = 'loop';
const turnsOfVisit = 8;
/** Scheduled, completed, transitioned, entered. */
const eventsOfVisit = turnsOfVisit + 4;
const text = 'x'.repeat(200);
const limitMs = 1_800_000;
/** As it is shipped. */
const heapMiB = 160;

const spec = {
  input: { type: 'object' },
  timeout: '30d',
  start: 'work',
  states: {
    work: {
      type: 'task',
      agent: 'clerk',
      backup: 'none',
      goal: 'Go on.',
      timeout: '29d',
      maxVisits: 1_000_000,
      exits: { error: 'failed', timeout: 'failed' },
    },
    hold: { type: 'wait', for: { event: 'go', by: 'input.id' }, timeout: '29d', exits: { timeout: 'failed' } },
    done: { type: 'terminal', outcome: 'success' },
    failed: { type: 'terminal', outcome: 'failed' },
  },
  transitions: [
    { from: 'work', when: 'result.again', to: 'work' },
    { from: 'work', to: 'hold' },
    { from: 'hold', to: 'done' },
  ],
} as unknown as WorkflowSpec;

export async function measureLong(events: number, say: (line: string) => void): Promise<Long> {
  const measured = await startMeasured(heapMiB, say);
  try {
    const { stage } = measured;
    const visits = Math.ceil(events / eventsOfVisit);
    let visit = 0;
    await stage.agent('clerk', async (desk) => {
      await turns(desk);
      visit += 1;
      if (visit % Math.max(1, Math.floor(visits / 10)) === 0) say(`${visit} of ${visits} visits`);
      await desk.complete({ again: visit < visits });
    });
    await stage.workflow(workflow, spec);
    const first = await measured.engine('engine-a');
    const engineMiBBefore = first.miB();
    const from = performance.now();
    const run = await stage.begin(workflow, { id: 'long' });
    await stage.until(run, (summary) => summary.state === 'hold', limitMs);
    const seconds = (performance.now() - from) / 1_000;
    const read = await readWhole(stage, run);
    const engineMiB = first.miB();
    await measured.engine('engine-b');
    const killed = performance.now();
    await first.spawned.kill();
    await patiently(() => stage.show(run), limitMs);
    const takeoverMs = performance.now() - killed;
    await stage.event('go', 'long', {});
    const closed = await stage.closed(run, 60_000);
    if (closed.outcome !== 'success') throw new Error(`the long run ended with ${closed.outcome}: ${closed.message}`);
    const { history, ...rest } = read;
    return {
      events: history.length,
      eventsPerSecond: history.length / seconds,
      continuations: history.filter((event) => event.type === 'HistoryContinued').length,
      ...rest,
      takeoverMs,
      engineMiBBefore,
      engineMiB,
    };
  } finally {
    await measured.stop();
  }
}

async function turns(desk: Desk): Promise<void> {
  for (let turn = desk.work.turns.length + 1; turn <= turnsOfVisit; turn += 1) {
    const reply = await desk.report(desk.turn(turn, { text }));
    if (reply.kind !== 'Go') throw new Error(`turn ${turn} was answered with ${reply.kind}`);
  }
}

async function readWhole(stage: EngineStage, run: string) {
  const from = performance.now();
  const history: HistoryEvent[] = [];
  let pages = 0;
  for (let after: number | undefined = 0; after !== undefined;) {
    const reply: EngineReply<HistoryPage> = await stage.control.request(
      engineSubject(partitionOf(run, partitions), 'history'),
      { run, namespace, after },
      60_000,
    );
    if (!reply.ok) throw new Error(`${reply.code}: ${reply.message}`);
    history.push(...reply.result.events);
    after = reply.result.next;
    pages += 1;
  }
  const readMs = performance.now() - from;
  const gap = history.findIndex((event, index) => event.seq !== index + 1);
  if (gap >= 0) throw new Error(`event ${gap + 1} of the history is missing`);
  const asked = performance.now();
  await stage.show(run);
  const showMs = performance.now() - asked;
  return { history, pages, readMs, showMs, historyMiB: JSON.stringify(history).length / 1_024 ** 2 };
}
