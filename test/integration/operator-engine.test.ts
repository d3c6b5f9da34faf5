// What people do and see with kubectl while the operator stands between them and a real engine: answers, schedules, bounds.
import { expect, test } from 'vitest';
import type { JsonObject } from '../../api/messages/history.ts';
import { resultOf } from '../../runtime/engine/forward.ts';
import type { Told } from '../support/kubectl.ts';
import { ending, namespace, object, operatedEngine, soonMs } from '../support/operated-engine.ts';
import { until } from '../support/until.ts';
import { ask } from '../support/waiting.ts';

const operated = operatedEngine();
const { begin, get, known, kubectl, outcomes, ready, show, stage } = operated;
const { applyAs } = stage;

test('a Decision about a frozen run is kept, and given when the run is resumed', async () => {
  const rule = { name: 'unsure', signal: 'lowConfidence', below: '0.6', action: 'humanQueue', queue: 'desk' };
  await applyAs(
    'ann',
    object('EscalationPolicy', 'people', { rules: [rule], queues: [{ name: 'desk', deadline: '1h' }] }),
    object('Workflow', 'asks', {
      input: { type: 'object' },
      escalationPolicyRef: { name: 'people' },
      start: 'ask',
      states: {
        ask,
        ...ending,
      },
      transitions: [{ from: 'ask', exit: 'approved', to: 'yes' }],
    }),
  );
  await known('asks');
  const [run = ''] = await begin('asks');
  const asked = await until(
    'people are asked',
    async () => {
      const all = JSON.parse(await kubectl('get', 'escalations', '-o', 'json')) as { items: readonly Told[] };
      return all.items.find(({ spec }) => spec?.['run'] === run);
    },
    soonMs,
  );
  const lift = { run, namespace, source: 'person', by: 'ann', reason: 'look' };
  resultOf(await operated.engine.owners.ask(run, 'freeze', lift));
  await applyAs(
    'bob',
    object('Decision', 'go-on', {
      escalationRef: { name: asked.metadata.name },
      option: 'approve',
      reason: 'It is right.',
      queue: 'desk',
      decidedBy: 'bob',
      digest: asked.spec?.['digest'],
    }),
  );
  await until('it is kept', async () => ((await ready('decision go-on')) === 'Frozen' ? true : undefined), soonMs);
  expect((await get('decision go-on'))?.status?.conditions?.find(({ type }) => type === 'Ready')?.message).toContain(
    'resume it first',
  );
  expect((await show(run)).status).toBe('Frozen');
  resultOf(await operated.engine.owners.ask(run, 'resume', lift));
  expect(await outcomes([run])).toEqual(['success']);
  await until(
    'it is taken',
    async () => ((await get('decision go-on'))?.status?.['state'] === 'Accepted' ? true : undefined),
    soonMs,
  );
});

test('kubectl shows where the schedules of a Workflow stand', async () => {
  await applyAs(
    'ann',
    object('Workflow', 'ticks', {
      input: { type: 'object' },
      triggers: [
        { schedule: { name: 'often', cron: '* * * * * *', overlap: 'allow' } },
        { schedule: { name: 'never', cron: '0 0 1 1 *', pause: true } },
      ],
      start: 'wait',
      states: { wait: { type: 'wait', for: { duration: '1s' } }, ...ending },
      transitions: [
        { from: 'wait', when: 'has(input.id)', to: 'no' },
        { from: 'wait', to: 'yes' },
      ],
    }),
  );
  const standing = await until(
    'it has started runs',
    async () => {
      const schedules = (await get('workflow ticks'))?.status?.['schedules'] as readonly JsonObject[] | undefined;
      return schedules !== undefined && Number(schedules[0]?.['started']) > 1 ? schedules : undefined;
    },
    soonMs,
  );
  expect(standing[0]).toMatchObject({
    name: 'often',
    state: 'Active',
    next: expect.any(String),
    last: expect.any(String),
    lastRun: expect.any(String),
  });
  expect(standing[1]).toMatchObject({
    name: 'never',
    state: 'Paused',
    paused: 'by spec: spec.pause is true',
    started: 0,
  });
  expect(await kubectl('get', 'workflow', 'ticks')).toMatch(/SCHEDULE.*NEXT/);
  expect(await kubectl('describe', 'workflow', 'ticks')).toContain('Last Run:');
});

test('a platform team bounds a namespace by its annotations', async () => {
  const bounds = () => operated.engine.catalog.tenant(namespace);
  const annotate = (...pairs: readonly string[]) =>
    stage.plane.kubectl(['annotate', '--overwrite', 'namespace', namespace, ...pairs]);
  await annotate('signalbox.dev/max-open-runs=500', 'signalbox.dev/max-starts-per-minute=60');
  await until(
    'the engine has read it',
    async () => (JSON.stringify(bounds()) === '{"openRuns":500,"startsPerMinute":60}' ? true : undefined),
    soonMs,
  );
  await annotate('signalbox.dev/max-open-runs=lots');
  await until(
    'what is wrong is said',
    async () => {
      const events = await stage.plane.kubectl(['get', 'events', '-A', '-o', 'jsonpath={.items[*].message}']);
      return events.includes('signalbox.dev/max-open-runs: found "lots"; allowed: a whole number') ? true : undefined;
    },
    soonMs,
  );
  await annotate('signalbox.dev/max-open-runs-', 'signalbox.dev/max-starts-per-minute-');
  await until('it is withdrawn', async () => (bounds() === undefined ? true : undefined), soonMs);
});
