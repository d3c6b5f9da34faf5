// Entry point of an engine: binds it to NATS, the API server's access reviews and HTTP.
import { connectKube } from '../../adapters/kube/kube.ts';
import { inClusterConfig } from '../../adapters/kube/access.ts';
import {
  connectNats,
  natsDeadLetters,
  natsJournal,
  natsLedgerSweep,
  natsOwnership,
  replicasOf,
  natsPresence,
} from '../../adapters/nats/nats.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { armFromEnvironment } from '../../adapters/system/failpoints.ts';
import { serveHealth } from '../../adapters/system/http-health.ts';
import { systemIds } from '../../adapters/system/ids.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { promMetrics } from '../../adapters/system/metrics.ts';
import { statePacking } from '../../adapters/system/packing.ts';
import { defaultPartitions } from '../../api/messages/subjects.ts';
import { loadReceiptKey } from '../receipts.ts';
import { durability, type Environment, integer, required } from '../settings.ts';
import { onTermination } from '../shutdown.ts';
import { startEngine } from './engine.ts';
import { type CallerKube, kubeCallers } from './http/access.ts';
import { engineApi } from './http/api.ts';
import type { EnginePorts } from './ports.ts';
import { storageOf, tenantsOf } from './storage-settings.ts';

const { env } = process;
const log = jsonLog({ name: 'engine' });
const metrics = promMetrics();
const clock = systemClock();
let problem: () => string | undefined = () => 'connecting to NATS';
let note: () => string | undefined = () => undefined;
let api: ReturnType<typeof engineApi> | undefined;

/** The accounts' credentials come from the environment, written there by whoever made the pod. */
const account = (environment: Environment, which: 'CONTROL' | 'WORK', name: string) => ({
  url: required(environment, 'SIGNALBOX_NATS_URL'),
  user: required(environment, `SIGNALBOX_NATS_${which}_USER`),
  password: required(environment, `SIGNALBOX_NATS_${which}_PASSWORD`),
  name: `engine/${name}`,
  replicas: replicasOf[durability(environment)],
  account: which,
});

/** How the API server is asked with a caller's own token; nobody is admitted where there is none. */
async function callerConnections(): Promise<(token: string) => CallerKube> {
  const access = await inClusterConfig();
  return (token) =>
    connectKube({ component: 'engine', access: { ...access, credentials: () => Promise.resolve({ token }) } });
}

try {
  armFromEnvironment(env);
  const name = env['POD_NAME'] ?? `engine-${process.pid}`;
  const health = await serveHealth({
    host: env['POD_IP'] || '0.0.0.0',
    port: integer(env, 'SIGNALBOX_HTTP_PORT', 8080),
    metrics,
    ready: () => problem(),
    note: () => note(),
    other: (request, response) => {
      if (api !== undefined) api(request, response);
      else
        response
          .writeHead(503, { 'content-type': 'application/json', 'retry-after': '1' })
          .end('{"code":"NOT_OWNER","message":"the engine is starting"}');
    },
  });
  const control = await connectNats(account(env, 'CONTROL', name));
  const work = await connectNats(account(env, 'WORK', name));
  const monitorUrl = env['SIGNALBOX_NATS_MONITOR_URL'];
  const profile = durability(env);
  const journal = natsJournal(control, {
    appendTimeoutMs: 2_000,
    durability: profile,
    accounts: [work],
    ...(monitorUrl === undefined ? {} : { monitorUrl }),
  });
  if (monitorUrl === undefined && profile === 'disk')
    log.warn('SIGNALBOX_NATS_MONITOR_URL is not set: sync_interval of NATS is not checked');
  else {
    const promise = await journal.assertDurable();
    log[profile === 'disk' ? 'info' : 'warn']('durability', { profile, promise });
  }
  metrics.gauge('signalbox_durability', 'The durability profile in force.', ['profile'])(1, { profile });
  const ports: EnginePorts = {
    control,
    work,
    presence: natsPresence(work),
    journal,
    ownership: await natsOwnership(control),
    ledger: natsLedgerSweep(control),
    packing: statePacking,
    deadLetters: natsDeadLetters(control, () => clock.now()),
    clock,
    ids: systemIds(),
    log,
    metrics,
    receiptKey: await loadReceiptKey(control),
  };
  const partitions = integer(env, 'SIGNALBOX_PARTITIONS', defaultPartitions);
  // A container that starts again in its pod has its predecessor's lease at once; compare-and-set keeps them apart.
  const engine = startEngine(ports, { name, partitions, storage: storageOf(env), tenants: tenantsOf(env) });
  problem = () => engine.problem();
  note = () => engine.refused();
  if (env['KUBERNETES_SERVICE_HOST'] === undefined) log.warn('no API server is known: the HTTP API is off');
  else api = engineApi({ engine, ports, callers: kubeCallers(await callerConnections(), () => clock.now()) });
  log.info('serving', { partitions, port: health.port });
  onTermination(log, async () => {
    problem = () => 'stopping';
    await engine.stop();
    await Promise.all([control.close(), work.close(), health.close()]);
  });
} catch (error) {
  log.error('the engine could not start', { error });
  process.exit(1);
}
