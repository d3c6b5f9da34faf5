import { expect, test } from 'vitest';
import { fakeKube } from '../../adapters/kube/fake.ts';
import { createInformers } from '../../adapters/kube/reflector.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { promMetrics } from '../../adapters/system/metrics.ts';
import { AGENT } from '../../ports/resources.ts';
import type { Caches } from './controller.ts';
import { assertLeader } from './guard.ts';
import { ControllerLoop } from './loop.ts';

test('a key whose write was refused in a moment of doubt is reconciled once the doubt has passed', async () => {
  let leads = false;
  const leadership = { isLeader: () => leads, epoch: () => 1 };
  const clock = systemClock();
  const log = jsonLog({ name: 'test', level: 'silent' });
  const kube = fakeKube();
  const written: string[] = [];
  const refused: string[] = [];
  const loop = new ControllerLoop({
    controller: {
      name: 'agent',
      root: AGENT,
      reconcile: ({ name }) => {
        if (!leads) refused.push(name);
        assertLeader(leadership);
        written.push(name);
        return Promise.resolve({});
      },
    },
    kube,
    informers: createInformers({ kube, clock, log }),
    caches: {} as Caches,
    leadership,
    recorder: { record: () => undefined, flush: () => Promise.resolve() },
    clock,
    log,
    metrics: promMetrics({ processMetrics: false }),
  });
  const stopping = new AbortController();
  const ended = loop.run(stopping.signal);
  loop.queue.add('default/clerk');
  for (let tries = 0; refused.length === 0 && tries < 200; tries += 1) await clock.sleep(5);
  expect(refused).toEqual(['clerk']);
  leads = true;
  for (let tries = 0; written.length === 0 && tries < 500; tries += 1) await clock.sleep(5);
  stopping.abort();
  await ended;
  expect(written).toEqual(['clerk']);
});
