// Children, compensation and freezing on a real nats-server: the engine dies, hints are lost, people and deadlines interfere.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { RunSummary } from '../../api/messages/history.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import { scriptedAnswer } from '../../core/agent/script.ts';
import { EngineStage, namespace } from '../support/engine-stage.ts';
import { until } from '../support/until.ts';
import type { Script } from '../support/worker-desk.ts';

const task = (agent: string, more: Partial<WorkflowState> = {}): WorkflowState => ({
  type: 'task',
  agent,
  goal: `Do it as ${agent}.`,
  timeout: '5m',
  retry: { max: 0 },
  backup: 'none',
  exits: { error: 'failed', timeout: 'failed' },
  ...more,
});
const ends: WorkflowSpec['states'] = {
  done: { type: 'terminal', outcome: 'success' },
  failed: { type: 'terminal', outcome: 'failed', compensate: true },
};
const fork = (branches: NonNullable<WorkflowState['branches']>, more: Partial<WorkflowState> = {}): WorkflowState => ({
  type: 'parallel',
  branches,
  timeout: '5m',
  exits: { error: 'failed', timeout: 'failed' },
  ...more,
});
const spec = (states: WorkflowSpec['states'], transitions: WorkflowSpec['transitions']): WorkflowSpec => ({
  input: { type: 'object' },
  start: 'work',
  states: { ...states, ...ends },
  transitions,
});

let stage: EngineStage;
/** What agents were asked to do, in order: the script of each writes here. */
const done: string[] = [];
/** Agents at work that do not answer before they are told to. */
const held = new Set<string>();

const script =
  (
    name: string,
    result: (input: unknown) => Record<string, string | number | boolean> = () => ({ [name]: 'ok' }),
  ): Script =>
  async (desk) => {
    const { run, activity, attempt } = desk.work;
    while (held.has(name)) {
      const reply = await desk.ask('heartbeat');
      if (reply.kind === 'Stop') return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const reply = await desk.complete(result(desk.work.input));
    if (reply.kind === 'Go' || reply.kind === 'Stop') done.push(`${name} ${run.id}/${activity}/${attempt}`);
  };

beforeAll(async () => {
  stage = await EngineStage.start();
  for (const name of ['one', 'two', 'three', 'undo']) await stage.agent(name, script(name));
  await stage.agent('broken', (desk) => desk.fail('TOOL_FAILED', false).then(() => undefined));
  await stage.workflow('leaf', spec({ work: task('two') }, [{ from: 'work', to: 'done' }]));
});
afterAll(() => stage?.stop());

const outcomes = (summary: RunSummary) =>
  Object.fromEntries((summary.children ?? []).map(({ child, outcome }) => [child, outcome ?? 'open']));
const childOf = (summary: RunSummary, name: string): string =>
  summary.children?.find(({ child }) => child === name)?.run ?? '';
/** A child is started a moment after its parent has asked for it. */
const exists = (run: string, condition: (summary: RunSummary) => boolean = () => true): Promise<RunSummary> =>
  until(`run ${run} exists`, async () => {
    const summary = await stage.show(run);
    return condition(summary) ? summary : undefined;
  });
/** Nothing that belongs to the run is open any more. */
async function nothingOpen(run: string): Promise<void> {
  for (const { run: child } of (await stage.show(run)).children ?? []) {
    const summary = await stage.show(child);
    expect(summary).toMatchObject({ status: 'Closed', parentRun: run });
    await nothingOpen(child);
  }
}

describe('one engine', () => {
  let stop: () => Promise<void>;
  beforeAll(async () => {
    const { engine } = await stage.engine();
    stop = () => engine.stop();
  });
  afterAll(() => stop?.());

  test('branches of this workflow and of another run at the same time; their results are facts, their cost counts', async () => {
    await stage.workflow(
      'fork-all',
      spec(
        {
          work: fork({ here: { start: 'count' }, there: { workflow: 'leaf', input: { of: '${run.id}' } } }),
          count: task('one'),
          after: task('three'),
        },
        [
          { from: 'work', when: "facts.here.result.one == 'ok' && facts.there.result.two == 'ok'", to: 'after' },
          { from: 'work', to: 'failed' },
          { from: 'count', to: 'done' },
          { from: 'after', to: 'done' },
        ],
      ),
    );
    const run = await stage.begin('fork-all');
    const summary = await stage.closed(run);
    expect(summary).toMatchObject({ outcome: 'success', attempts: 1 });
    expect(outcomes(summary)).toEqual({ here: 'success', there: 'success' });
    const there = await stage.show(childOf(summary, 'there'));
    expect(there).toMatchObject({ workflow: 'leaf', source: 'parent', parentRun: run, requestedBy: 'ann' });
    const [started] = await stage.history(there.run);
    expect(started).toMatchObject({ input: { of: run }, parent: { child: 'there', depth: 1 } });
    await nothingOpen(run);
  });

  test.each([
    ['any', { join: 'any' }, { a: 'success', b: 'cancelled', c: 'cancelled' }],
    ['quorum', { join: 'quorum', quorum: 1 }, { a: 'success', b: 'cancelled', c: 'cancelled' }],
  ] as const)('join %s: the rest is cancelled, and closed before the parent is', async (name, join, expected) => {
    held.add('two').add('three');
    await stage.workflow(
      `fork-${name}`,
      spec(
        {
          work: fork({ a: { start: 'fast' }, b: { start: 'slow' }, c: { workflow: 'leaf' } }, join),
          fast: task('one'),
          slow: task('three'),
        },
        ['work', 'fast', 'slow'].map((from) => ({ from, to: 'done' })),
      ),
    );
    const run = await stage.begin(`fork-${name}`);
    const summary = await stage.closed(run);
    held.clear();
    expect(summary.outcome).toBe('success');
    expect(outcomes(summary)).toEqual(expected);
    await nothingOpen(run);
  });

  test('a branch that fails takes exits.error, and says which', async () => {
    await stage.workflow(
      'fork-fails',
      spec(
        {
          work: fork(
            { bad: { start: 'breaks' }, good: { workflow: 'leaf' } },
            { exits: { error: 'sorry', timeout: 'failed' } },
          ),
          breaks: task('broken'),
          sorry: { type: 'terminal', outcome: 'refused' },
        },
        [
          { from: 'work', to: 'done' },
          { from: 'breaks', to: 'done' },
        ],
      ),
    );
    held.add('two');
    const run = await stage.begin('fork-fails');
    expect(await stage.closed(run)).toMatchObject({ outcome: 'refused' });
    held.clear();
    const events = await stage.history(run);
    expect(events.find((event) => event.type === 'ChildrenJoined')).toMatchObject({ exit: 'error' });
    expect(events.find((event) => event.type === 'ChildClosed' && event.child === 'bad')).toMatchObject({
      outcome: 'failed',
      message: 'reached failed',
    });
    await nothingOpen(run);
  });

  test('an input that does not fit the child is a failure with its reason', async () => {
    const strict = spec({ work: task('two') }, [{ from: 'work', to: 'done' }]);
    await stage.workflow('strict', { ...strict, input: { type: 'object', required: ['id'] } });
    await stage.workflow(
      'misfit',
      spec(
        {
          work: {
            type: 'workflow',
            workflow: 'strict',
            input: {},
            timeout: '5m',
            exits: { error: 'failed', timeout: 'failed' },
          },
        },
        [{ from: 'work', to: 'done' }],
      ),
    );
    const run = await stage.begin('misfit');
    expect(await stage.closed(run)).toMatchObject({ outcome: 'failed' });
    expect((await stage.history(run)).find((event) => event.type === 'ChildClosed')).toMatchObject({
      outcome: 'failed',
      message: expect.stringMatching(/^it was not started \(INVALID_INPUT\): the input does not fit workflow strict/),
    });
  });

  test('cancel goes down three levels, from the bottom up nothing stays open', async () => {
    held.add('two');
    const child = (workflow: string) =>
      ({ type: 'workflow', workflow, timeout: '5m', exits: { error: 'failed', timeout: 'failed' } }) as const;
    await stage.workflow(
      'middle',
      spec({ work: fork({ x: { workflow: 'leaf' }, y: { workflow: 'leaf' } }) }, [{ from: 'work', to: 'done' }]),
    );
    await stage.workflow('top', spec({ work: child('middle') }, [{ from: 'work', to: 'done' }]));
    const run = await stage.begin('top');
    const middle = childOf(await stage.until(run, ({ children }) => children !== undefined), 'work');
    await exists(middle, ({ children }) => children?.length === 2);
    const { children = [] } = await stage.show(middle);
    for (const { run: leaf } of children) await exists(leaf);
    await stage.ask(run, 'cancel', { namespace, run, by: 'ann', reason: 'enough' });
    expect(await stage.closed(run)).toMatchObject({ outcome: 'cancelled' });
    held.clear();
    await nothingOpen(run);
    expect(await stage.show(middle)).toMatchObject({
      outcome: 'cancelled',
      message: expect.stringContaining(`run ${run}`),
    });
  });

  test('freeze goes down to the children and stops their workers; resume goes on', async () => {
    held.add('two');
    await stage.workflow('cold', spec({ work: fork({ x: { workflow: 'leaf' } }) }, [{ from: 'work', to: 'done' }]));
    const run = await stage.begin('cold');
    const leaf = childOf(await stage.until(run, ({ children }) => children !== undefined), 'x');
    await exists(leaf);
    const request = { namespace, run, source: 'person', by: 'ann', reason: 'look first' };
    expect(await stage.ask(run, 'freeze', request)).toMatchObject({ ok: true, result: { message: 'frozen' } });
    await stage.until(leaf, ({ status }) => status === 'Frozen');
    held.clear();
    expect(await stage.ask(leaf, 'resume', { ...request, run: leaf })).toMatchObject({ ok: false, code: 'STALE' });
    expect(await stage.show(run)).toMatchObject({ status: 'Frozen', frozen: [{ by: 'ann', reason: 'look first' }] });
    expect(await stage.ask(run, 'resume', request)).toMatchObject({ ok: true });
    expect(await stage.closed(run)).toMatchObject({ outcome: 'success' });
  });

  test('a saga: what two tasks did is undone in reverse order before the run is closed', async () => {
    const undo = (goal: string): WorkflowState => ({
      type: 'compensation',
      agent: 'undo',
      goal,
      timeout: '5m',
      retry: { max: 0 },
      backup: 'none',
    });
    await stage.workflow(
      'saga',
      spec(
        {
          work: task('one', { compensation: 'unone' }),
          more: task('two', { compensation: 'untwo' }),
          last: task('broken'),
          unone: undo('Undo ${facts.one}.'),
          untwo: undo('Undo ${facts.two}.'),
        },
        [
          { from: 'work', to: 'more' },
          { from: 'more', to: 'last' },
          { from: 'last', to: 'done' },
        ],
      ),
    );
    const run = await stage.begin('saga');
    expect(await stage.closed(run)).toMatchObject({ outcome: 'failed' });
    const undone = (await stage.history(run)).flatMap((event) =>
      event.type === 'CompensationCompleted' ? [event.of] : [],
    );
    expect(undone).toEqual(['more.1', 'work.1']);
  });
});

describe('examples/orders, as it is written', () => {
  const objects = parseAllDocuments(
    readFileSync(new URL('../../examples/orders/orders.yaml', import.meta.url), 'utf8'),
  ).map((document) => document.toJS() as { kind: string; metadata: { name: string }; spec: WorkflowSpec });
  const model = objects.find(({ kind }) => kind === 'Model')?.spec as unknown as ModelSpec | undefined;
  const replies = model?.scripted?.replies ?? [];
  beforeAll(async () => {
    await stage.agent('order-clerk', async (desk) => {
      const { state, goal, input, facts, attempt } = desk.work;
      const answer = scriptedAnswer(replies, {
        role: 'executor',
        agent: 'order-clerk',
        turn: 1,
        attempt,
        state,
        goal,
        input,
        facts,
        calls: [],
      });
      if (answer.kind === 'None') throw new Error(answer.message);
      await desk.complete(JSON.parse(answer.text) as Record<string, string>);
    });
    for (const { kind, metadata, spec: written } of objects) {
      if (kind === 'Workflow') await stage.workflow(metadata.name, written);
    }
    const { engine } = await stage.engine('engine-orders');
    return () => engine.stop();
  });

  test('an order that can be shipped', async () => {
    const run = await stage.begin('order', { order: 'o-1', customer: 'c-7', amount: 80 });
    const summary = await stage.closed(run);
    expect(summary).toMatchObject({ outcome: 'success', state: 'shipped' });
    expect(outcomes(summary)).toEqual({ credit: 'success', stock: 'success' });
  });

  test('one that no carrier takes: three tries, then the reservation is released', async () => {
    const run = await stage.begin('order', { order: 'o-2', customer: 'c-far', amount: 80 });
    const summary = await stage.closed(run, 60_000);
    expect(summary).toMatchObject({ outcome: 'failed', message: 'Ended with failed: reached failed.' });
    const events = await stage.history(run);
    const said = events.flatMap((event) =>
      event.type === 'StateEntered' && event.state === 'ship'
        ? [`ship ${event.visit}`]
        : event.type === 'CompensationCompleted'
          ? [`${event.of} undone`]
          : [],
    );
    expect(said).toEqual(['ship 1', 'ship 2', 'ship 3', 'reserve.1 undone']);
    const released = events.findLast((event) => event.type === 'ActivityCompleted');
    expect(released).toMatchObject({ activity: 'release.1', result: { released: 'r-o-2' } });
  });

  test('one that is too dear is refused, and nothing was reserved', async () => {
    const run = await stage.begin('order', { order: 'o-3', customer: 'c-7', amount: 5_000 });
    expect(await stage.closed(run)).toMatchObject({ outcome: 'refused', attempts: 0 });
  });
});

describe('an engine that is killed', () => {
  test('while children run: the next one hears of their ends, and nothing runs twice', async () => {
    held.add('two').add('three');
    await stage.workflow(
      'killed',
      spec({ work: fork({ x: { workflow: 'leaf' }, y: { start: 'slow' } }), slow: task('three'), after: task('one') }, [
        { from: 'work', to: 'after' },
        { from: 'slow', to: 'done' },
        { from: 'after', to: 'done' },
      ]),
    );
    const first = stage.engineProcess('engine-a');
    const runs = await Promise.all(Array.from({ length: 6 }, (_, n) => stage.begin('killed', {}, { key: `k${n}` })));
    for (const run of runs) {
      const { children = [] } = await stage.until(run, (summary) => summary.children?.length === 2);
      for (const { run: child } of children) await exists(child);
    }
    await first.kill();
    held.clear();
    const before = done.length;
    stage.engineProcess('engine-b');
    for (const run of runs) {
      const summary = await stage.closed(run, 60_000);
      expect(summary).toMatchObject({ outcome: 'success' });
      expect(outcomes(summary)).toEqual({ x: 'success', y: 'success' });
      await nothingOpen(run);
      expect((await stage.types(run)).filter((type) => type === 'ChildClosed')).toHaveLength(2);
    }
    const finished = done.slice(before).map((line) => line.replace(/^\w+ /, ''));
    expect(new Set(finished.map((line) => line.replace(/\/\d+$/, ''))).size).toBe(18);
  });

  test('while a cancel goes down: the next one ends what is left, and a child that never began cannot begin later', async () => {
    held.add('two');
    const doomed = stage.engineProcess('engine-c');
    await stage.workflow(
      'doomed',
      spec({ work: fork({ x: { workflow: 'leaf' }, y: { workflow: 'leaf' } }) }, [{ from: 'work', to: 'done' }]),
    );
    const runs = await Promise.all(Array.from({ length: 6 }, (_, n) => stage.begin('doomed', {}, { key: `d${n}` })));
    await Promise.all(runs.map((run) => stage.ask(run, 'cancel', { namespace, run, by: 'ann', reason: 'enough' })));
    await doomed.kill();
    for (const run of runs) {
      const summary = await stage.closed(run, 60_000);
      expect(summary.outcome).toBe('cancelled');
      expect(outcomes(summary)).toEqual({ x: 'cancelled', y: 'cancelled' });
      await nothingOpen(run);
      const child = childOf(summary, 'x');
      const start = { run: child, namespace, workflow: 'leaf', input: {}, requestedBy: 'ann', source: 'parent' };
      expect(await stage.ask(child, 'start', start)).toMatchObject({
        ok: true,
        result: { status: 'Closed', outcome: 'cancelled' },
      });
    }
    held.clear();
  });
});
