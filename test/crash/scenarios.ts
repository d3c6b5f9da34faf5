// Owns: what is done while a process dies: each scenario drives runs to their end, as people and other systems would, and says
// how they must have ended.
import type { EngineReply } from '../../api/messages/asks.ts';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import { engineSubject, eventSubject } from '../../api/messages/subjects.ts';
import { fallbackRunOf } from '../../core/workflow/escalate.ts';
import { runIdFor } from '../../core/workflow/partition.ts';
import { stageNamespace } from '../support/gateway-stage.ts';
import { until } from '../support/until.ts';
import { busSubject, type EffectTool, effectTools, ticking } from './content.ts';
import { deadLetter } from './letters.ts';
import { trial } from './trial.ts';
import { CLOSED_MS, closing, declare, plain, type Played, type Scenario, withdraw } from './played.ts';

/** Waves of runs that begin at once; each is at least one record. */
const [waves, waveSize] = [4, 10];
const waveOf = (run: string, wave: number): readonly string[] =>
  Array.from({ length: waveSize }, (_, number) => `${run}x${wave * waveSize + number}`);
const burstOf = (run: string): readonly string[] =>
  Array.from({ length: waves }, (_, wave) => waveOf(run, wave)).flat();

const begin =
  (workflow: string, input: object = {}): Scenario['begin'] =>
  async (stage, run) => {
    const { seq } = await stage.runs.start(run, workflow, { run, ...input });
    stage.recording.note({ kind: 'Acknowledged', what: 'start', run, seq });
  };

const effect = (tool: EffectTool): Scenario => ({
  begin: begin(tool),
  async finish(stage, run) {
    await closing(stage, run, (escalation) => decide(stage, run, escalation, 'approve'));
    const asked = tool === 'wire' ? 1 : 0;
    return [{ ...plain, run, tools: [tool], questions: asked, decisions: asked }];
  },
});

export const scenarios = {
  ...(Object.fromEntries(effectTools.map((tool) => [tool, effect(tool)])) as Record<EffectTool, Scenario>),
  fail: {
    begin: begin('fail'),
    async finish(stage, run) {
      await closing(stage, run);
      return [{ ...plain, run, outcome: 'failed' }];
    },
  },
  timer: {
    begin: begin('timer'),
    async finish(stage, run) {
      await closing(stage, run);
      return [{ ...plain, run }];
    },
  },
  /** A field of an event too large for a record. */
  large: {
    begin: begin('timer', { text: 'x'.repeat(100_000) }),
    async finish(stage, run) {
      await closing(stage, run);
      return [{ ...plain, run }];
    },
  },
  /** One event wakes a run and starts another. */
  event: {
    begin: begin('event'),
    async finish(stage, run) {
      await stage.runs.until(run, ({ state }) => state === 'work');
      const event = { id: `event-${run}`, namespace: stageNamespace, subject: busSubject, key: run, payload: { run } };
      await publish(stage, event);
      await closing(stage, run);
      const shipping = runIdFor(stageNamespace, 'shipping', run);
      await closing(stage, shipping);
      return [
        { ...plain, run },
        { ...plain, run: shipping },
      ];
    },
  },
  /** One signal before its wait and one in it, each told twice. */
  signal: {
    begin: begin('signal'),
    async finish(stage, run) {
      for (const signal of ['shipped', 'paid']) {
        const request = { namespace: stageNamespace, run, signal, id: `${signal}-1`, payload: {}, by: 'ann' };
        await stage.runs.engine('signal', request);
        await stage.runs.engine('signal', request);
      }
      await closing(stage, run);
      return [{ ...plain, run }];
    },
  },
  approval: {
    begin: begin('approval'),
    async finish(stage, run) {
      await closing(stage, run, (escalation) => decide(stage, run, escalation, 'approve'));
      await refusedLater(stage, run);
      return [{ ...plain, run, questions: 1, decisions: 1 }];
    },
  },
  cancel: {
    begin: begin('approval'),
    async finish(stage, run) {
      await open(stage, run);
      await cancel(stage, run);
      await closing(stage, run);
      await cancel(stage, run);
      await refusedLater(stage, run);
      return [{ ...plain, run, outcome: 'cancelled', questions: 1 }];
    },
  },
  /** Many at once share records: whoever was told yes is in the journal, also when the engine dies between two of them. */
  burst: {
    async begin(stage, run) {
      for (let wave = 0; wave < waves; wave += 1) {
        await Promise.all(waveOf(run, wave).map((one) => begin('timer')(stage, one)));
      }
    },
    async finish(stage, run) {
      await Promise.all(burstOf(run).map((one) => closing(stage, one)));
      return burstOf(run).map((one) => ({ ...plain, run: one }));
    },
  },
  /** A branch of the same workflow beside another workflow. */
  fork: {
    begin: begin('fork'),
    async finish(stage, run) {
      await closing(stage, run);
      const children = await childrenOf(stage, run);
      return [
        { ...plain, run },
        { ...plain, run: children['here'] ?? '', tools: ['pay-key'] },
        { ...plain, run: children['there'] ?? '', tools: ['pay-query'] },
      ];
    },
  },
  /** Cancelled while its children work: they are cancelled too. */
  doomed: {
    begin: begin('doomed'),
    async finish(stage, run) {
      await stage.runs.until(run, ({ children }) => children !== undefined);
      await cancel(stage, run);
      await closing(stage, run);
      const children = await childrenOf(stage, run);
      const cancelled = { outcome: 'cancelled', tools: [], decisions: 0 };
      // A child may be cancelled before it asks, or before it begins.
      const ended = Object.values(children).map((child) => ({ ...cancelled, run: child }));
      return [{ ...cancelled, run, questions: 0 }, ...ended];
    },
  },
  /** Cancelled after a task that is undone then. */
  saga: {
    begin: begin('saga'),
    async finish(stage, run) {
      await open(stage, run);
      await cancel(stage, run);
      await closing(stage, run);
      return [{ ...plain, run, outcome: 'cancelled', tools: ['pay-key', 'pay-query'], questions: 1 }];
    },
  },
  /** Frozen, resumed, read-only and not, each told twice; then a person says yes. */
  frozen: {
    begin: begin('approval'),
    async finish(stage, run) {
      await open(stage, run);
      const by = { namespace: stageNamespace, run, by: 'ann', reason: 'to look' };
      const steps = [
        ['freeze', { ...by, source: 'person' }],
        ['resume', { ...by, source: 'person' }],
        ['readonly', { ...by, readOnly: true }],
        ['readonly', { ...by, readOnly: false }],
      ] as const;
      for (const [verb, request] of steps) {
        await stage.runs.engine(verb, request);
        await stage.runs.engine(verb, request);
      }
      await closing(stage, run, (escalation) => decide(stage, run, escalation, 'approve'));
      return [{ ...plain, run, questions: 1, decisions: 1 }];
    },
  },
  /** Every due time between the first and the last has exactly one run. */
  schedule: {
    async begin(stage, run) {
      await declare(stage, ticking(`tick-${run.toLowerCase()}`));
    },
    async finish(stage, run) {
      const name = `tick-${run.toLowerCase()}`;
      // A due time whose partition has no owner is started later than the next one, but it is started.
      const runs = await until(
        'six due times in a row have a run each',
        async () => {
          const found = await runsOf(stage, name);
          const due = found
            .map(({ key = '' }) => Date.parse(key.split('/')[2] ?? '') / 1_000)
            .toSorted((a, b) => a - b);
          if (new Set(due).size !== due.length) throw new Error(`a due time has two runs: ${due.join(' ')}`);
          return due.length > 5 && due.at(-1) === (due[0] ?? 0) + due.length - 1 ? found : undefined;
        },
        CLOSED_MS,
      );
      await withdraw(stage, name);
      for (const one of runs) await closing(stage, one.run);
      return runs.map((one) => ({ ...plain, run: one.run }));
    },
  },
  letter: deadLetter,
  trial,
  fallback: {
    begin: begin('fallback', { said: 'I have chest pain' }),
    async finish(stage, run) {
      await closing(stage, run);
      const next = fallbackRunOf(stageNamespace, 'desk', run);
      await closing(stage, next);
      return [
        { ...plain, run, outcome: 'handedOver' },
        { ...plain, run: next },
      ];
    },
  },
} satisfies Readonly<Record<string, Scenario>>;

export type ScenarioName = keyof typeof scenarios;

interface BusEvent {
  readonly id: string;
  readonly namespace: string;
  readonly subject: string;
  readonly key: string;
  readonly payload: object;
}

/** As a producer does: until it is acknowledged. */
async function publish(stage: Played, event: BusEvent): Promise<void> {
  await until(
    'the event is published',
    async () => {
      await stage.runs.work.publish(eventSubject(event.namespace, event.subject), event, { id: event.id });
      return true;
    },
    CLOSED_MS,
  );
}

async function cancel(stage: Played, run: string): Promise<void> {
  await stage.runs.engine('cancel', { namespace: stageNamespace, run, by: 'ann', reason: 'not needed' });
  stage.recording.note({ kind: 'Acknowledged', what: 'cancel', run, seq: 0 });
}

/** Child → its run. */
async function childrenOf(stage: Played, run: string): Promise<Readonly<Record<string, string>>> {
  const { children = [] } = await stage.runs.engine<RunSummary>('show', { run, namespace: stageNamespace });
  return Object.fromEntries(children.map((one) => [one.child, one.run]));
}

async function runsOf(stage: Played, workflow: string): Promise<readonly RunSummary[]> {
  const { partitions, control } = stage.runs;
  const query = { namespace: stageNamespace, workflow, limit: 500 };
  const asked = Array.from({ length: partitions }, async (_, partition) => {
    const reply = await control.request<EngineReply<readonly RunSummary[]>>(
      engineSubject(partition, 'list'),
      query,
      2_000,
    );
    if (!reply.ok) throw new Error(`${reply.code}: ${reply.message}`);
    return reply.result;
  });
  return (await Promise.all(asked)).flat();
}

async function open(stage: Played, run: string): Promise<string> {
  return (await stage.runs.until(run, ({ escalation }) => escalation !== undefined)).escalation ?? '';
}

/** Asked twice, as an operator does whose answer was lost: the second time it must be the same answer. */
async function decide(stage: Played, run: string, escalation: string, option: string): Promise<void> {
  const opened = await openedOf(stage, run, escalation);
  const request = {
    namespace: stageNamespace,
    run,
    escalation,
    queue: opened.queue,
    option,
    by: 'lead',
    reason: 'seen',
    digest: opened.digest,
    decision: `uid-${escalation}`,
  };
  const { decision, by, queue, digest } = request;
  stage.recording.note({ kind: 'Answered', decision, escalation, by, queue, digest });
  await stage.runs.engine('decide', request);
  await stage.runs.engine('decide', request);
  stage.recording.note({ kind: 'Acknowledged', what: 'decision', run, seq: 0, id: decision });
}

async function openedOf(stage: Played, run: string, escalation: string) {
  const found = (await stage.runs.history(run)).find(
    (event): event is Extract<HistoryEvent, { type: 'EscalationOpened' }> =>
      event.type === 'EscalationOpened' && event.escalation.id === escalation,
  );
  if (found === undefined) throw new Error(`${escalation} is open but was never opened`);
  return found.escalation;
}

/** Another person's answer after the end must not count. */
async function refusedLater(stage: Played, run: string): Promise<void> {
  const escalation = `${run}-1`.toLowerCase();
  const { queue, digest } = await openedOf(stage, run, escalation);
  const late = {
    namespace: stageNamespace,
    run,
    escalation,
    queue,
    option: 'reject',
    by: 'eve',
    reason: 'late',
    digest,
  };
  const asked = { ...late, decision: `late-${escalation}` };
  const refused = await stage.runs.engine('decide', asked).then(
    () => 'taken',
    (error: unknown) => String(error),
  );
  if (!refused.includes('STALE')) throw new Error(`a late decision was ${refused}`);
}
