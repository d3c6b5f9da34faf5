// Owns: Signalbox's worker for measurements: the worker that ships, with a no-op in the place of the agent's activity.
import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats, natsPresence } from '../../adapters/nats/nats.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { promMetrics } from '../../adapters/system/metrics.ts';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import { type Activity, startWorker } from '../../runtime/worker/worker.ts';
import { resultBytes } from './peer.ts';

const env = (name: string): string => process.env[name] ?? '';
const padding = 'x'.repeat(resultBytes - JSON.stringify({ step_1: '' }).length);

const noop: Activity = async (_worker, { state, input }, asks) => {
  const slowMs = Number(input['slowMs'] ?? 0);
  if (state === 'step_3' && slowMs > 0) await sleep(slowMs);
  const reply = await asks.complete({ result: { [state]: padding }, verification: { approved: true, rules: [] } });
  return reply.kind === 'Go' ? { kind: 'Completed' } : { kind: 'LetGo', message: JSON.stringify(reply) };
};

const bundle = JSON.parse(env('BENCH_BUNDLE')) as ResolvedBundle;
const bus = await connectNats({
  url: env('BENCH_NATS'),
  user: env('BENCH_USER'),
  password: env('BENCH_PASSWORD'),
  name: `worker/bench/${env('BENCH_NAME')}`,
});
const clock = systemClock();
const ports = {
  bus,
  presence: natsPresence(bus),
  clock,
  log: jsonLog({ name: 'worker', level: 'warn' }),
  metrics: promMetrics(),
};
const { namespace, agent } = bundle;
startWorker(ports, { namespace, agent, bundle, slots: Number(env('BENCH_SLOTS')), name: env('BENCH_NAME') }, noop);
process.once('SIGTERM', () => process.exit(0));
process.stdout.write('serving\n');
