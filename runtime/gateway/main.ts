// Entry point of the gateway: binds it to NATS, models, tools and mounted Secrets.
import { models } from '../../adapters/model/models.ts';
import { connectNats, natsLedger } from '../../adapters/nats/nats.ts';
import { mountedSecrets } from '../../adapters/secrets/mounted.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { armFromEnvironment } from '../../adapters/system/failpoints.ts';
import { serveHealth } from '../../adapters/system/http-health.ts';
import { systemIds } from '../../adapters/system/ids.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { promMetrics } from '../../adapters/system/metrics.ts';
import { tools } from '../../adapters/tools/tools.ts';
import { defaultPartitions } from '../../api/messages/subjects.ts';
import { partitionOf } from '../../core/workflow/partition.ts';
import { natsIdentity } from '../nats.ts';
import { loadReceiptKey } from '../receipts.ts';
import { containerPath, integer, required } from '../settings.ts';
import { onTermination } from '../shutdown.ts';
import { gatewayOf, serveAsks } from './gateway.ts';

const drainMs = 25_000;
const { env } = process;
const log = jsonLog({ name: 'gateway' });
const metrics = promMetrics();
let state = 'connecting to NATS';
const unready = (): string | undefined => state || undefined;
let problem: () => string | undefined = unready;

try {
  armFromEnvironment(env);
  const namespace = required(env, 'SIGNALBOX_NAMESPACE');
  const health = await serveHealth({
    host: env['POD_IP'] || '0.0.0.0',
    port: integer(env, 'SIGNALBOX_HEALTH_PORT', 8080),
    metrics,
    ready: () => problem(),
  });
  const control = await connectNats(natsIdentity(env, 'CONTROL', 'gateway'));
  const work = await connectNats(natsIdentity(env, 'WORK', 'gateway'));
  const clock = systemClock();
  const ids = systemIds();
  const toolCalls = tools();
  const partitions = integer(env, 'SIGNALBOX_PARTITIONS', defaultPartitions);
  const gateway = gatewayOf(
    {
      control,
      ledger: natsLedger(control),
      model: models(clock),
      tools: toolCalls,
      credentials: mountedSecrets(containerPath(env, '/var/run/signalbox/secrets')),
      clock,
      ids,
      log,
      metrics,
      receiptKey: await loadReceiptKey(control),
    },
    {
      namespace,
      opener: `${env['POD_NAME'] ?? 'gateway'}/${ids.random()}`,
      partitionOf: (run) => partitionOf(run, partitions),
    },
  );
  const running = serveAsks(gateway, work);
  problem = () => control.problem() ?? work.problem();
  state = '';
  log.info('serving', { namespace, health: health.port });
  onTermination(log, async () => {
    state = 'stopping';
    problem = unready;
    await running.drain(drainMs);
    await toolCalls.close();
    await Promise.all([control.close(), work.close(), health.close()]);
  });
} catch (error) {
  log.error('the gateway could not start', { error });
  process.exit(1);
}
