// Owns: the command line of each server. No secret is on a command line: they are in files below `keys/`.
import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { ServerName } from '../contract.ts';
import { binaries, reportedVersion } from '../assets/binaries.ts';
import { cacheFolder, type Assets } from '../assets/resolve.ts';
import type { InstancePaths } from './paths.ts';
import { keyFiles, type InstanceRecord } from './record.ts';
import type { ServerSpec } from './server.ts';

const answerTimeoutMs = 2_000;
/** The pinned versions for programs of the cache; programs from elsewhere are asked. */
export async function serverVersions(assets: Assets): Promise<ServerOptions['versions']> {
  const pairs = binaries().map(async ({ name, version }) => {
    const ours = assets[name].startsWith(cacheFolder());
    return [name, ours ? version : ((await reportedVersion(assets[name])) ?? 'unknown')];
  });
  return Object.fromEntries(await Promise.all(pairs)) as Record<ServerName, string>;
}

/** Loopback only, and the port is ours: readiness does not need the server's identity proven. */
const trusting = new Agent({ connect: { rejectUnauthorized: false, timeout: answerTimeoutMs }, keepAliveTimeout: 1 });

/** Nothing that needs a cloud, nodes of several kinds, or Endpoints: the local node resolves Services itself. */
const controllers = [
  'garbage-collector-controller',
  'namespace-controller',
  'deployment-controller',
  'replicaset-controller',
  'statefulset-controller',
  'job-controller',
  'serviceaccount-controller',
  'serviceaccount-token-controller',
  'root-ca-certificate-publisher-controller',
  'clusterrole-aggregation-controller',
  'resourcequota-controller',
];

interface Shape {
  readonly name: ServerName;
  readonly port: number;
  readonly args: readonly string[];
  readonly readyUrl: string;
  readonly stopGraceMs: number;
}

export interface ServerOptions {
  readonly paths: InstancePaths;
  readonly record: InstanceRecord;
  readonly assets: Assets;
  readonly versions: Readonly<Record<ServerName, string>>;
  /** Test instances only: etcd may lose what it acknowledged in a power cut. */
  readonly etcdFsync: boolean;
}

function spec({ paths, assets, versions }: ServerOptions, shape: Shape): ServerSpec {
  return {
    name: shape.name,
    version: versions[shape.name],
    port: shape.port,
    command: assets[shape.name],
    args: shape.args,
    env: { PATH: '/usr/bin:/bin', HOME: paths.root },
    cwd: paths.root,
    logFile: join(paths.logs, `${shape.name}.log`),
    stopGraceMs: shape.stopGraceMs,
    answers: () => answersOk(shape.readyUrl),
  };
}

async function answersOk(url: string): Promise<boolean> {
  const answer = await request(url, {
    dispatcher: trusting,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
  });
  await answer.body.dump();
  return answer.statusCode === 200;
}

export function etcd(options: ServerOptions): ServerSpec {
  const { paths, record } = options;
  const files = keyFiles(paths);
  const client = `https://127.0.0.1:${record.ports.etcdClient}`;
  const peer = `https://127.0.0.1:${record.ports.etcdPeer}`;
  return spec(options, {
    name: 'etcd',
    port: record.ports.etcdClient,
    // The client port asks for a certificate; the metrics port serves health and numbers, no data, without one.
    readyUrl: `http://127.0.0.1:${record.ports.etcdMetrics}/health`,
    stopGraceMs: 10_000,
    args: [
      '--name=default',
      `--data-dir=${paths.etcd}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      `--listen-metrics-urls=http://127.0.0.1:${record.ports.etcdMetrics}`,
      `--cert-file=${files.etcdCertificate}`,
      `--key-file=${files.etcdKey}`,
      `--trusted-ca-file=${files.ca}`,
      '--client-cert-auth',
      `--peer-cert-file=${files.etcdCertificate}`,
      `--peer-key-file=${files.etcdKey}`,
      `--peer-trusted-ca-file=${files.ca}`,
      '--peer-client-cert-auth',
      '--watch-progress-notify-interval=5s',
      '--auto-compaction-mode=periodic',
      '--auto-compaction-retention=5m',
      '--log-level=warn',
      ...(options.etcdFsync ? [] : ['--unsafe-no-fsync']),
    ],
  });
}

export function apiserver(options: ServerOptions): ServerSpec {
  const { paths, record } = options;
  const files = keyFiles(paths);
  const port = record.ports.apiserver;
  return spec(options, {
    name: 'kube-apiserver',
    port,
    readyUrl: `https://127.0.0.1:${port}/readyz`,
    stopGraceMs: 10_000,
    args: [
      `--etcd-servers=https://127.0.0.1:${record.ports.etcdClient}`,
      `--etcd-cafile=${files.ca}`,
      `--etcd-certfile=${files.etcdCertificate}`,
      `--etcd-keyfile=${files.etcdKey}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      `--tls-cert-file=${files.apiserverCertificate}`,
      `--tls-private-key-file=${files.apiserverKey}`,
      `--token-auth-file=${files.tokens}`,
      '--authorization-mode=RBAC',
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${files.serviceAccountPublic}`,
      `--service-account-signing-key-file=${files.serviceAccountKey}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      // Logs come from the local node, which knows the API server by this certificate.
      `--kubelet-client-certificate=${files.etcdCertificate}`,
      `--kubelet-client-key=${files.etcdKey}`,
      '--kubelet-preferred-address-types=InternalIP',
      // The endpoint of `kubernetes` may not be a loopback address; nothing here uses it.
      '--endpoint-reconciler-type=none',
      // There is one node and no lifecycle controller that would lift the taints these two add.
      '--disable-admission-plugins=TaintNodesByCondition,DefaultTolerationSeconds',
      '--profiling=false',
      '--shutdown-delay-duration=0s',
      '--shutdown-watch-termination-grace-period=0s',
      '-v=1',
    ],
  });
}

export function controllerManager(options: ServerOptions): ServerSpec {
  const { paths, record } = options;
  const files = keyFiles(paths);
  return spec(options, {
    name: 'kube-controller-manager',
    port: record.ports.controllerManager,
    readyUrl: `https://127.0.0.1:${record.ports.controllerManager}/healthz`,
    stopGraceMs: 5_000,
    args: [
      `--kubeconfig=${files.controllerManagerKubeconfig}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${record.ports.controllerManager}`,
      `--tls-cert-file=${files.apiserverCertificate}`,
      `--tls-private-key-file=${files.apiserverKey}`,
      `--root-ca-file=${files.ca}`,
      `--service-account-private-key-file=${files.serviceAccountKey}`,
      `--controllers=${controllers.join(',')}`,
      '--leader-elect=false',
      '--profiling=false',
      '--kube-api-qps=200',
      '--kube-api-burst=400',
      '-v=1',
    ],
  });
}

export function natsServer(options: ServerOptions): ServerSpec {
  const { paths, record } = options;
  return spec(options, {
    name: 'nats-server',
    port: record.ports.nats,
    readyUrl: `http://127.0.0.1:${record.ports.natsMonitor}/healthz`,
    stopGraceMs: 10_000,
    args: ['--config', keyFiles(paths).natsConfig],
  });
}
