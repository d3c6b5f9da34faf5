// Owns: looking at an instance from outside its supervising process, and the faults that tests and the demo inject.
import { SignalboxError } from '../../api/errors.ts';
import type {
  InstanceOptions,
  Killed,
  KillRole,
  KubeConnection,
  PlaneConnection,
  PlaneStatus,
  ServiceQuery,
} from '../contract.ts';
import { kubeconfigText } from '../plane/kubeconfig.ts';
import { signalProcess } from '../plane/identity.ts';
import { instancePaths, type InstancePaths } from '../plane/paths.ts';
import { kubeConnectionOf, natsConnectionOf, readRecord, readSecrets, type InstanceRecord } from '../plane/record.ts';
import { callControl, notRunning, runningRecord } from './control.ts';

/** What runs; an instance that is stopped or absent answers `running: false`. */
export async function status(options: InstanceOptions = {}): Promise<PlaneStatus> {
  const paths = instancePaths(options);
  if ((await runningRecord(paths)) !== undefined) return callControl<PlaneStatus>(paths, 'status');
  return { instance: paths.name, stateDir: paths.root, running: false, servers: [], pods: [] };
}

/** The text of a kubeconfig; also for a stopped instance, whose ports and token are kept. */
export async function kubeconfig(options: InstanceOptions = {}): Promise<string> {
  return kubeconfigText(instancePaths(options).name, await kubeConnection(options));
}

export async function kubeConnection(options: InstanceOptions = {}): Promise<KubeConnection> {
  const paths = instancePaths(options);
  return kubeConnectionOf(paths, await recordOf(paths));
}

/** NATS address, users and the auth callout's issuer: whoever has this may do everything. */
export async function natsConnection(options: InstanceOptions = {}): Promise<PlaneConnection> {
  const paths = instancePaths(options);
  return natsConnectionOf(await recordOf(paths), await readSecrets(paths));
}

/** `http://<address>:<port>` of one ready Pod behind a Service, for callers outside of Pods. */
export async function serviceUrl(query: ServiceQuery): Promise<string> {
  const { namespace, service, port } = query;
  const { url } = await callControl<{ url: string }>(instancePaths(query), 'service', { namespace, service, port });
  return url;
}

/** SIGKILL to one process with this role, as a fault. It comes back by itself, except the supervising process. */
export async function killProcess(options: InstanceOptions, role: KillRole): Promise<Killed> {
  const paths = instancePaths(options);
  if (role !== 'supervisor') return callControl<Killed>(paths, 'kill', { role });
  const supervisor = (await runningRecord(paths))?.supervisor;
  if (supervisor === undefined || !signalProcess(supervisor, 'SIGKILL')) {
    throw new SignalboxError('NOT_FOUND', `The instance "${paths.name}" has no running supervising process.`);
  }
  return { pid: supervisor.pid, what: 'supervisor' };
}

async function recordOf(paths: InstancePaths): Promise<InstanceRecord> {
  const record = await readRecord(paths);
  if (record === undefined) throw notRunning(paths);
  return record;
}
