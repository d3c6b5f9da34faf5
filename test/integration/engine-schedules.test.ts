// Schedules on a real nats-server and real engines that are killed: no due time is lost or doubled.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import type { SchedulePosition } from '../../api/messages/schedule.ts';
import { buckets, engineSubject } from '../../api/messages/subjects.ts';
import type { ScheduleTrigger } from '../../api/v1alpha1/schedule.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { summaryOfSchedule } from '../../core/schedule/plan.ts';
import { pauseSchedule } from '../../runtime/engine/schedules.ts';
import { EngineStage, namespace, partitions } from '../support/engine-stage.ts';

let stage: EngineStage;
beforeEach(async () => {
  stage = await EngineStage.start();
});
afterEach(async () => {
  await stage.stop();
});

const clockwork = (schedule: ScheduleTrigger, lasts: string): WorkflowSpec =>
  ({
    input: { type: 'object' },
    triggers: [{ schedule }],
    start: 'pause',
    states: {
      pause: { type: 'wait', for: { duration: lasts } },
      ended: { type: 'terminal', outcome: 'success' },
    },
    transitions: [{ from: 'pause', to: 'ended' }],
  }) as WorkflowSpec;

async function runsOf(workflow: string): Promise<readonly RunSummary[]> {
  const found: RunSummary[] = [];
  for (let partition = 0; partition < partitions; partition += 1) {
    const query = { namespace, workflow, limit: 500 };
    const reply = await stage.control
      .request<EngineReply<readonly RunSummary[]>>(engineSubject(partition, 'list'), query, 3_000)
      .catch(() => undefined);
    if (reply?.ok !== true) return runsOf(workflow);
    found.push(...reply.result);
  }
  return found;
}
const dueTimes = (runs: readonly RunSummary[]): number[] =>
  runs
    .map(({ key }) => Date.parse(key?.replace('schedule/default/', '') ?? ''))
    .toSorted((left, right) => left - right);

async function untilRuns(
  workflow: string,
  enough: (runs: readonly RunSummary[]) => boolean,
): Promise<readonly RunSummary[]> {
  const until = Date.now() + 60_000;
  for (;;) {
    const runs = await runsOf(workflow);
    if (enough(runs)) return runs;
    if (Date.now() > until) throw new Error(`${workflow} has ${runs.length} runs: ${JSON.stringify(dueTimes(runs))}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
const position = async (workflow: string): Promise<SchedulePosition | undefined> =>
  (await (await stage.control.bucket<SchedulePosition>(buckets.schedules)).get(`${namespace}.${workflow}.default`))
    ?.value;

test('every second, engines killed again and again: each due time has exactly one run', async () => {
  const schedule: ScheduleTrigger = { cron: '* * * * * *', overlap: 'allow', catchUp: { window: '5m', max: 100 } };
  await stage.workflow('ticks', clockwork(schedule, '200ms'));
  const engines = [stage.engineProcess('one'), stage.engineProcess('two')];
  await untilRuns('ticks', (runs) => runs.length >= 2);
  for (let killed = 0; killed < 3; killed += 1) {
    const before = (await runsOf('ticks')).length;
    await engines.shift()?.kill();
    engines.push(stage.engineProcess(`next${killed}`));
    await untilRuns('ticks', (runs) => runs.length > before + 2);
  }
  // Nobody is there for a while; what was missed is made up for.
  const before = dueTimes(await runsOf('ticks')).at(-1) ?? 0;
  for (const engine of engines) await engine.kill();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  stage.engineProcess('last');
  const runs = await untilRuns('ticks', (found) => (dueTimes(found).at(-1) ?? 0) > before + 4_000);
  const times = dueTimes(runs);
  expect(new Set(times).size).toBe(times.length);
  const first = times[0] ?? 0;
  expect(times).toEqual(times.map((_, index) => first + index * 1_000));
  for (const { run } of runs) {
    await stage.closed(run);
    expect((await stage.types(run)).filter((type) => type === 'RunStarted')).toHaveLength(1);
  }
  expect((await position('ticks'))?.skipped).toBe(0);
}, 120_000);

test('overlap skip: one run at a time, and why the others were not started; pause and resume', async () => {
  await stage.workflow('long', clockwork({ cron: '* * * * * *' }, '1h'));
  await stage.engine();
  const [run] = await untilRuns('long', (runs) => runs.length > 0);
  const until = Date.now() + 30_000;
  while (((await position('long'))?.skipped ?? 0) < 2 && Date.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await position('long')).toMatchObject({
    started: 1,
    open: [run?.run],
    lastSkip: { reason: `overlap: run ${run?.run} has not ended` },
  });
  const bucket = await stage.control.bucket<SchedulePosition>(buckets.schedules);
  const spec: ScheduleTrigger = { cron: '* * * * * *' };
  const long = { namespace, workflow: 'long', name: 'default', spec };
  await pauseSchedule(bucket, long, { paused: { by: 'ann', at: Date.now(), reason: 'holiday' }, now: Date.now() });
  await stage.ask(run?.run ?? '', 'cancel', { run: run?.run, namespace, by: 'ann', reason: 'enough' });
  while ((await position('long'))?.lastSkip?.reason !== 'paused' && Date.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await runsOf('long')).toHaveLength(1);
  expect(summaryOfSchedule(long, await position('long'), Date.now())).toMatchObject({
    paused: { by: 'ann', reason: 'holiday' },
  });
  await pauseSchedule(bucket, long, { paused: undefined, now: Date.now() });
  await untilRuns('long', (runs) => runs.length === 2);
}, 90_000);

test('an input that does not fit is skipped with the reason; cancelOther ends the last run first', async () => {
  await stage.workflow('picky', {
    ...clockwork({ cron: '* * * * * *', input: { n: 'one' } }, '1h'),
    input: { type: 'object', properties: { n: { type: 'integer' } } },
  });
  await stage.workflow('newest', clockwork({ cron: '* * * * * *', overlap: 'cancelOther' }, '1h'));
  await stage.engine();
  const runs = await untilRuns('newest', (found) => found.length >= 3);
  expect(runs.filter(({ status }) => status !== 'Closed').length).toBeLessThanOrEqual(2);
  expect(runs.filter(({ outcome }) => outcome === 'cancelled').length).toBeGreaterThanOrEqual(2);
  const until = Date.now() + 30_000;
  while ((await position('picky'))?.lastSkip === undefined && Date.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await position('picky'))?.lastSkip?.reason).toContain('refused: the input does not fit workflow picky');
  expect(await runsOf('picky')).toHaveLength(0);
}, 90_000);
