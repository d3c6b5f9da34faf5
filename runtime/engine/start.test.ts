import { expect, test } from 'vitest';
import { controlOf } from './control.ts';
import type { Serving } from './serving.ts';

test.each(['http', 'bus', 'hook', 'object'])(
  'nobody (%s) takes the place of a run that the engine starts',
  async (source) => {
    const control = controlOf({ metrics: { asked: () => undefined, seconds: () => undefined } } as never);
    const serving = { partition: { state: () => undefined } } as unknown as Serving;
    for (const key of [
      'child/Parent/fork.1/credit',
      'fallback/Run',
      'schedule/default/2026-06-01T00:00:00Z',
      'event/e1',
    ]) {
      const request = { run: 'R', namespace: 'ns', workflow: 'w', input: {}, requestedBy: 'eve', source, key };
      expect(await control(serving, 'start', request)).toMatchObject({ ok: false, code: 'INVALID_INPUT' });
    }
  },
);
