// Owns: the operator as a process: settings, adapters, health, identity, webhook, controllers, and a clean end.
import { natsAuthCallout } from '../adapters/identity/callout.ts';
import { inClusterConfig } from '../adapters/kube/access.ts';
import { connectKube } from '../adapters/kube/kube.ts';
import { createInformers } from '../adapters/kube/reflector.ts';
import { connectNats, natsBusAdmin, natsEvidence, natsJournal, replicasOf } from '../adapters/nats/nats.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { armFromEnvironment } from '../adapters/system/failpoints.ts';
import { serveHealth } from '../adapters/system/http-health.ts';
import { systemIds } from '../adapters/system/ids.ts';
import { jsonLog } from '../adapters/system/log.ts';
import { promMetrics } from '../adapters/system/metrics.ts';
import type { Subscription } from '../ports/bus.ts';
import type { Kube } from '../ports/kube.ts';
import { NAMESPACE } from '../ports/resources.ts';
import type { Log } from '../ports/system.ts';
import { newServing } from './admission/certificates.ts';
import { configurationOf, hostsOf, keepConfiguration, sharedAuthority } from './admission/configuration.ts';
import type { NamespaceLook } from './admission/review.ts';
import { serveWebhook } from './admission/server.ts';
import { createManager, shutdownSignal } from './controller/manager.ts';
import { startIdentity } from './identity/review.ts';
import { assemble } from './kinds.ts';
import { readSettings, type Settings } from './settings.ts';
import { failpoint } from '../ports/failpoint.ts';
import { keepWitness } from './witness/keeping.ts';

async function run(log: Log): Promise<'stopped' | 'lost'> {
  const settings = readSettings(process.env);
  const signal = shutdownSignal(log);
  const clock = systemClock();
  const metrics = promMetrics();
  const state: { installed: boolean; notReady: () => string | undefined } = {
    installed: false,
    notReady: () => 'starting',
  };
  const health = await serveHealth({
    host: settings.podIp,
    port: settings.httpPort,
    metrics,
    ready: () => state.notReady(),
  });
  const kube = connectKube({ access: await inClusterConfig(), component: 'operator', metrics, log });
  const identity = await answerForPods(settings, kube, log);
  const { admin, ...buses } = await connectBuses(settings);
  const informers = createInformers({ kube, clock, log, metrics });
  const pods = { image: settings.image, natsUrl: settings.natsUrl, partitions: settings.partitions };
  const evidence = natsEvidence(buses.control);
  const assembled = assemble({ kube, informers, ...buses, admin, evidence, clock, log }, pods);
  const webhook = await startWebhook(settings, kube, log);
  const { podNamespace: namespace, partitions } = settings;
  const witnessed = { control: buses.control, journal: natsJournal(buses.control), namespace, partitions };
  const manager = createManager({
    ...assembled,
    kube,
    clock,
    ids: systemIds(),
    log,
    metrics,
    instance: settings.podName,
    election: { lease: { namespace: settings.podNamespace, name: 'signalbox-operator' }, times: settings.lease },
    whileLeading: [
      ({ kube: guarded, signal: leading }) => {
        const looked = (): void => void (state.installed = true);
        return keepConfiguration(webhook.configuration, { kube: guarded, clock, log, signal: leading, looked });
      },
      (leading) => keepWitness({ ...leading, ...witnessed, clock, log, metrics }),
    ],
  });
  // A leader is ready once nothing that breaks a rule can be applied any more.
  const unguarded = (): boolean => manager.isLeader() && !state.installed;
  state.notReady = () => manager.notReady() ?? (unguarded() ? 'the webhook is not installed yet' : undefined);
  log.info('started', { partitions: settings.partitions, webhook: settings.webhook });
  const ended = await manager.run(signal);
  state.notReady = () => 'stopping';
  if (ended === 'lost') return ended;
  await Promise.allSettled([
    webhook.close(),
    identity?.stop(),
    buses.control.close(),
    buses.work.close(),
    health.close(),
  ]);
  await kube.close();
  return ended;
}

/** Both accounts, with every stream that processes need; making them again does no harm. */
async function connectBuses({ natsUrl: url, control, work, podName, partitions, durability }: Settings) {
  const replicas = replicasOf[durability];
  const name = `operator/${podName}`;
  const buses = {
    control: await connectNats({ url, ...control, name, account: 'CONTROL', replicas }),
    work: await connectNats({ url, ...work, name, account: 'WORK', replicas }),
  };
  const admin = natsBusAdmin(buses);
  await admin.ensureStreams(partitions);
  failpoint('operator.streams.made');
  await admin.ensureTaskStreams();
  return { ...buses, admin };
}

/** Every replica answers, leader or not: a pod that connects cannot wait for an election. */
async function answerForPods({ natsUrl, callout }: Settings, kube: Kube, log: Log): Promise<Subscription | undefined> {
  if (callout === undefined) return undefined;
  return startIdentity(kube, natsAuthCallout({ url: natsUrl, ...callout, log }));
}

async function startWebhook({ podNamespace, podIp, webhookPort, webhook }: Settings, kube: Kube, log: Log) {
  const clock = systemClock();
  const authority = await sharedAuthority(kube, podNamespace, clock);
  const serving = newServing(authority, hostsOf(webhook), clock.now());
  const namespaces: NamespaceLook = async (name) => {
    const found = await kube.get(NAMESPACE, { name });
    return found === undefined ? undefined : (found.metadata.annotations ?? {});
  };
  const server = await serveWebhook({ host: podIp, port: webhookPort, serving, namespaces, log });
  return { configuration: configurationOf(webhook, authority), close: () => server.close() };
}

const log = jsonLog({ name: 'operator' });
try {
  armFromEnvironment(process.env);
  const ended = await run(log);
  log.info('ended', { ended });
  process.exit(ended === 'stopped' ? 0 : 1);
} catch (error) {
  log.error('the operator ends', { error });
  process.exit(1);
}
