import { expect, test } from 'vitest';
import { SignalboxError } from '../../api/errors.ts';
import { controlOf } from './control.ts';
import type { Serving } from './serving.ts';

test('a start that was admitted and comes to nothing is given back to its namespace', async () => {
  const said: boolean[] = [];
  const control = controlOf({
    catalog: { prepare: () => Promise.resolve(), definition: () => ({}), agent: () => undefined },
    disk: { assertWritable: () => undefined },
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
