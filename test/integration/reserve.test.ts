// The last of a journal's room, on a real nats-server: starts are refused first, then new work; what people decide, cancels and
// compensations go through.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { checkpointPolicy } from '../../core/journal/checkpoint.ts';
import { partitionOf, runIdFor } from '../../core/workflow/partition.ts';
import { storageDefault } from '../../runtime/engine/ports.ts';
import { EngineStage, namespace, partitions } from '../support/engine-stage.ts';
import { ask, waitingFor } from '../support/waiting.ts';

let stage: EngineStage;
beforeEach(async () => {
  stage = await EngineStage.start({ journalBytesMax: 2_000_000 });
});
afterEach(async () => {
  await stage.stop();
});

const work = { agent: 'clerk', goal: 'Go.', timeout: '600s', backup: 'none' } as const;
const visit = {
  input: { type: 'object' },
  start: 'book',
  states: {
    book: { type: 'task', ...work, compensation: 'undo', exits: { error: 'no', timeout: 'no' } },
    ask,
    undo: { type: 'compensation', ...work },
    yes: { type: 'terminal', outcome: 'success' },
    no: { type: 'terminal', outcome: 'failed' },
  },
  transitions: [
    { from: 'book', to: 'ask' },
    { from: 'ask', exit: 'approved', to: 'yes' },
  ],
} as WorkflowSpec;

/** A business key whose run is in partition 0. */
const keyIn0 = (workflow: string, from: number): string => {
  for (let at = from; ; at += 1) {
    const key = `${workflow}-${at}`;
    if (partitionOf(runIdFor(namespace, workflow, key), partitions) === 0) return key;
  }
};

test('starts are refused, then signals, events and new tasks; decisions, cancels and compensations are not', async () => {
  const done: string[] = [];
  await stage.agent('clerk', async (desk) => {
    done.push(desk.work.state);
    await desk.complete({});
  });
  await stage.workflow('visit', visit, { rules: [], queues: [{ name: 'desk', deadline: '1h' }] });
  await stage.workflow('waits', waitingFor({ event: 'go', by: '"all"' }));
  // Without checkpoints, which would make room: as when the archive is full.
  await stage.engine('engine', { ...storageDefault, checkpoint: { ...checkpointPolicy, fullness: 2 } });
  const asking: string[] = [];
  for (let from = 0; asking.length < 3; from = Number(asking.at(-1)?.length ?? 0) + from + 1) {
    const key = keyIn0('visit', from);
    asking.push(await stage.begin('visit', {}, { key }));
  }
  for (const run of asking) await stage.until(run, ({ status }) => status === 'Waiting', 60_000);
  const [approved = '', cancelled = '', late = ''] = asking;
  const sink = await stage.begin('waits', {}, { key: keyIn0('waits', 0) });

  // The journal is measured twice a second: what is written meanwhile is far less than the reserve.
  const fill = async (say: () => Promise<string | undefined>): Promise<string> => {
    for (let times = 0; times < 2_000; times += 1) {
      const refused = await say();
      if (refused !== undefined) return refused;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    return 'never refused';
  };
  let last = 0;
  const startRefused = await fill(async () => {
    last += 1;
    return stage.begin('waits', { text: 'x'.repeat(10_000) }, { key: keyIn0('waits', last * 50) }).then(
      () => undefined,
      (error: Error) => error.message,
    );
  });
  expect(startRefused).toMatch(/JOURNAL_FULL: .* new runs are refused from 80 % on/);
  let reason = 0;
  const filled = await fill(async () => {
    // Freezing and resuming is what people do: it is taken as long as there is room at all.
    const by = { namespace, run: sink, source: 'person', by: 'ann', reason: 'y'.repeat(1_000) };
    await stage.ask(sink, 'freeze', by);
    await stage.ask(sink, 'resume', by);
    reason += 1;
    const signal = { namespace, run: sink, signal: 'note', id: `s${reason}`, payload: {}, by: 'ann' };
    const reply = await stage.ask(sink, 'signal', signal);
    return reply.ok || reply.code !== 'JOURNAL_FULL' ? undefined : reply.message;
  });
  expect(filled).toMatch(
    /new work is refused from 95 % on, so that decisions, cancels and compensations can be written/,
  );

  const events = { id: 'e1', namespace, subject: 'go', key: 'all', payload: {} };
  expect(await stage.ask(sink, 'deliver', events)).toMatchObject({ ok: false, code: 'JOURNAL_FULL' });
  const { escalation = '' } = await stage.show(approved);
  expect(await stage.decide(approved, escalation)).toMatchObject({ ok: true });
  expect((await stage.closed(approved)).outcome).toBe('success');
  const cancel = { namespace, run: cancelled, by: 'ann', reason: 'full' };
  expect(await stage.ask(cancelled, 'cancel', cancel)).toMatchObject({ ok: true });
  expect((await stage.closed(cancelled, 60_000)).outcome).toBe('cancelled');
  expect(await stage.types(cancelled)).toContain('CompensationCompleted');
  expect(done.filter((state) => state === 'undo')).toHaveLength(1);
  const freeze = { namespace, run: late, source: 'person', by: 'ann', reason: 'look' };
  expect(await stage.ask(late, 'freeze', freeze)).toMatchObject({ ok: true });
});
