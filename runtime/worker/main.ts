// Entry point of a worker: one Agent × Bundle, with one connection to NATS and nothing else.
import { readFile } from 'node:fs/promises';
import { connectNats, natsPresence } from '../../adapters/nats/nats.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { armFromEnvironment } from '../../adapters/system/failpoints.ts';
import { serveHealth } from '../../adapters/system/http-health.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { promMetrics } from '../../adapters/system/metrics.ts';
import { SignalboxError } from '../../api/errors.ts';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import { natsIdentity } from '../nats.ts';
import { containerPath, type Environment, integer, required } from '../settings.ts';
import { onTermination } from '../shutdown.ts';
import type { WorkerSettings } from './ports.ts';
import { startWorker } from './worker.ts';

const drainMs = 20_000;
const { env } = process;
const log = jsonLog({ name: 'worker' });
const metrics = promMetrics();
let state = 'connecting to NATS';
const unready = (): string | undefined => state || undefined;
let problem: () => string | undefined = unready;

async function settingsOf(environment: Environment): Promise<WorkerSettings> {
  const agent = required(environment, 'SIGNALBOX_AGENT');
  const digest = required(environment, 'SIGNALBOX_BUNDLE_DIGEST');
  const file = containerPath(environment, '/etc/signalbox/bundle.json');
  const bundle = JSON.parse(await readFile(file, 'utf8')) as ResolvedBundle;
  if (bundle.digest !== digest || bundle.agent !== agent) {
    throw new SignalboxError(
      'CONFIG_INVALID',
      `${file} is bundle ${bundle.digest} of agent "${bundle.agent}", but this pod is for ${digest} of "${agent}"`,
    );
  }
  return {
    namespace: required(environment, 'SIGNALBOX_NAMESPACE'),
    agent,
    bundle,
    slots: Math.max(1, integer(environment, 'SIGNALBOX_SLOTS', 8)),
    name: required(environment, 'POD_NAME'),
  };
}

try {
  armFromEnvironment(env);
  const settings = await settingsOf(env);
  const health = await serveHealth({
    host: env['POD_IP'] || '0.0.0.0',
    port: integer(env, 'SIGNALBOX_HEALTH_PORT', 8080),
    metrics,
    ready: () => problem(),
  });
  const bus = await connectNats(natsIdentity(env, 'WORK', 'worker'));
  const running = startWorker({ bus, presence: natsPresence(bus), clock: systemClock(), log, metrics }, settings);
  problem = () => bus.problem();
  state = '';
  onTermination(log, async () => {
    state = 'stopping';
    problem = unready;
    await running.drain(drainMs);
    await Promise.all([bus.close(), health.close()]);
  });
} catch (error) {
  log.error('the worker could not start', { error });
  process.exit(1);
}
