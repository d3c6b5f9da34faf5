import { expect, test } from 'vitest';
import { SignalboxError } from '../../api/errors.ts';
import type { Bus, Request } from '../../ports/bus.ts';
import { type Control, controlOf, serveControl } from './control.ts';
import { waitersMax } from './endings.ts';
import type { Serving } from './serving.ts';
import { queuesDefault, rule, simple, started } from '../../test/support/play.ts';

test('a start that was admitted and comes to nothing is given back to its namespace', async () => {
  const said: boolean[] = [];
  const control = controlOf({
    catalog: { prepare: () => Promise.resolve(), definition: () => ({}), agent: () => undefined },
    disk: { assertWritable: () => undefined },
    assigner: { assign: () => Promise.resolve(undefined) },
    tenants: { admit: () => Promise.resolve({ done: (started: boolean) => said.push(started) }) },
    metrics: { asked: () => undefined, seconds: () => undefined },
    now: () => {
      throw new SignalboxError('NOT_OWNER', 'the catalog is still being read; ask again');
    },
  } as never);
  const partition = {
    state: () => undefined,
    submit: async (_run: string, react: (state: undefined) => unknown) => react(undefined),
  };
  const serving = { partition, room: { assertStarts: () => undefined } } as unknown as Serving;
  const request = { run: 'r', namespace: 'ns', workflow: 'wf', source: 'parent', branch: { workflowDigest: 'd' } };
  expect(await control(serving, 'start', request)).toMatchObject({ ok: false, code: 'NOT_OWNER' });
  expect(said).toEqual([false]);
});

test('a list tells facts only: it waits for what is decided, and is none when that comes to nothing', async () => {
  const { state } = started(
    simple({ rules: [rule({ signal: 'redFlag', action: 'humanQueue', patterns: ['x'] })], queues: queuesDefault }),
  );
  const written = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const partition = {
    table: { find: () => [state.run], peek: () => state },
    settled: () => written.at(-1)?.promise,
    assertNewest: () => Promise.resolve(),
  };
  const control = controlOf({
    catalog: { synced: false },
    metrics: { asked: () => undefined, seconds: () => undefined },
    now: () => 0,
  } as never);
  const ask = () => control({ partition } as unknown as Serving, 'list', { namespace: 'ns', limit: 10 });
  const lost = ask();
  written.pop()?.reject(new SignalboxError('NOT_OWNER', 'another engine serves it'));
  expect(await lost).toMatchObject({ ok: false, code: 'NOT_OWNER' });
  const told = ask();
  expect(await Promise.race([told, Promise.resolve('it waits')])).toBe('it waits');
  written.pop()?.resolve();
  expect(await told).toMatchObject({ ok: true, result: [{ run: state.run }] });
});

test('however many wait for runs, whoever cancels one has a place', async () => {
  let answer: ((request: Request) => Promise<unknown>) | undefined;
  let [free, asked] = [0, 0];
  const serve: Bus['serve'] = (_subject, given, { maxParallel }) => {
    [answer, free] = [given, maxParallel];
    return { stop: () => Promise.resolve() };
  };
  const ask = async (verb: string): Promise<unknown> => {
    if (asked >= free) return 'it waits';
    asked += 1;
    return answer?.({ subject: `engine.0.${verb}`, payload: {} }).finally(() => (asked -= 1));
  };
  const control = (async (_serving, verb) =>
    verb === 'await' ? new Promise(() => undefined) : { ok: true }) as Control;
  serveControl({ serve } as Bus, { partition: { number: 0 } } as Serving, control);
  for (let waiter = 0; waiter < waitersMax; waiter += 1) void ask('await');
  expect(await ask('cancel')).toEqual({ ok: true });
});
