// Owns: what is decided once for an instance and kept: ports, keys, secrets. `instance.json` holds the public part, the
// folder `keys` (mode 0700, files 0600) the rest. Reading an instance back gives exactly what was made.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAccount } from '@nats-io/nkeys';
import type { KubeConnection, NatsUser, PlaneConnection } from '../contract.ts';
import type { ProcessIdentity } from './identity.ts';
import type { InstancePaths } from './paths.ts';
import { issue, newAuthority, newKey, privatePem } from './pki.ts';
import { canBind, freePorts } from './ports.ts';

export interface Ports {
  readonly etcdClient: number;
  readonly etcdPeer: number;
  readonly etcdMetrics: number;
  readonly apiserver: number;
  readonly controllerManager: number;
  readonly nats: number;
  readonly natsMonitor: number;
  readonly control: number;
}

export interface InstanceRecord {
  readonly name: string;
  readonly createdAt: string;
  readonly ports: Ports;
  /** Pods get addresses in 127.<podNetwork>.0.0/16. */
  readonly podNetwork: number;
  /** Present while a supervising process runs, or if it crashed. */
  readonly supervisor?: ProcessIdentity & { readonly startedAt: string };
}

export interface Secrets {
  readonly kubeToken: string;
  readonly controlToken: string;
  readonly natsPasswords: Readonly<Record<NatsUser, string>>;
  readonly issuerSeed: string;
  readonly issuerPublic: string;
}

export const natsUsers: readonly NatsUser[] = [
  'operator',
  'engine',
  'gateway',
  'operator-work',
  'engine-work',
  'gateway-work',
  'callout',
  'system',
];

const portNames: readonly (keyof Ports)[] = [
  'etcdClient',
  'etcdPeer',
  'etcdMetrics',
  'apiserver',
  'controllerManager',
  'nats',
  'natsMonitor',
  'control',
];

const clusterNames = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];

/** Files below `keys/`, by what they are for. */
export function keyFiles(paths: InstancePaths) {
  const file = (name: string): string => join(paths.keys, name);
  return {
    ca: file('ca.crt'),
    apiserverCertificate: file('apiserver.crt'),
    apiserverKey: file('apiserver.key'),
    etcdCertificate: file('etcd.crt'),
    etcdKey: file('etcd.key'),
    serviceAccountKey: file('service-account.key'),
    serviceAccountPublic: file('service-account.pub'),
    tokens: file('tokens.csv'),
    controllerManagerKubeconfig: file('controller-manager.kubeconfig'),
    natsConfig: file('nats-server.conf'),
    secrets: file('secrets.json'),
  } as const;
}

/**
 * Reads the instance, or makes a new one when there is none. `podNetwork` gets the kept number and may answer another
 * one, when somebody else took it meanwhile.
 */
export async function openRecord(
  paths: InstancePaths,
  podNetwork: (kept: number | undefined) => Promise<number>,
): Promise<InstanceRecord> {
  const existing = await readRecord(paths);
  for (const folder of [paths.root, paths.keys, paths.etcd, paths.nats, paths.logs, paths.pods, paths.podLogs]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  if (existing === undefined) await writeKeys(paths);
  const record: InstanceRecord = {
    name: paths.name,
    createdAt: existing?.createdAt ?? new Date().toISOString(),
    ports: await portsFor(existing?.ports),
    podNetwork: await podNetwork(existing?.podNetwork),
  };
  await writeRecord(paths, record);
  return record;
}

export async function readRecord(paths: InstancePaths): Promise<InstanceRecord | undefined> {
  try {
    return JSON.parse(await readFile(paths.instanceFile, 'utf8')) as InstanceRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function writeRecord(paths: InstancePaths, record: InstanceRecord): Promise<void> {
  await writeSecret(paths.instanceFile, `${JSON.stringify(record, undefined, 2)}\n`);
}

export async function readSecrets(paths: InstancePaths): Promise<Secrets> {
  return JSON.parse(await readFile(keyFiles(paths).secrets, 'utf8')) as Secrets;
}

/** Whole or not at all, readable by the owner only. */
export async function writeSecret(path: string, content: string): Promise<void> {
  const aside = `${path}.${process.pid}.new`;
  await writeFile(aside, content, { mode: 0o600 });
  await rename(aside, path);
}

/** The kept ports, but for those that somebody else has taken while the instance was stopped. */
export async function portsFor(kept: Ports | undefined): Promise<Ports> {
  const taken = new Set(Object.values(kept ?? {}));
  const free = (await freePorts(2 * portNames.length)).filter((port) => !taken.has(port));
  const chosen = portNames.map(async (name, index): Promise<[string, number | undefined]> => {
    const port = kept?.[name];
    return [name, port !== undefined && (await canBind('127.0.0.1', port)) ? port : free[index]];
  });
  return Object.fromEntries(await Promise.all(chosen)) as unknown as Ports;
}

async function writeKeys(paths: InstancePaths): Promise<void> {
  const files = keyFiles(paths);
  const now = Date.now();
  const authority = newAuthority(`signalbox ${paths.name}`, now);
  const hosts = ['127.0.0.1', 'localhost'];
  const apiserver = issue(authority, { commonName: 'kube-apiserver', hosts: [...hosts, ...clusterNames] }, now);
  const etcd = issue(authority, { commonName: 'etcd', hosts }, now);
  const serviceAccount = newKey();
  const secrets = newSecrets();
  await writeSecret(files.ca, authority.certificatePem);
  await writeSecret(files.apiserverCertificate, apiserver.certificatePem);
  await writeSecret(files.apiserverKey, apiserver.keyPem);
  await writeSecret(files.etcdCertificate, etcd.certificatePem);
  await writeSecret(files.etcdKey, etcd.keyPem);
  await writeSecret(files.serviceAccountKey, privatePem(serviceAccount.privateKey));
  await writeSecret(
    files.serviceAccountPublic,
    serviceAccount.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  );
  await writeSecret(files.tokens, `${secrets.kubeToken},admin,admin,"system:masters"\n`);
  await writeSecret(files.secrets, `${JSON.stringify(secrets, undefined, 2)}\n`);
}

function newSecrets(): Secrets {
  const secret = (): string => randomBytes(24).toString('base64url');
  const issuer = createAccount();
  const natsPasswords = Object.fromEntries(natsUsers.map((user) => [user, secret()])) as Record<NatsUser, string>;
  return {
    kubeToken: secret(),
    controlToken: secret(),
    natsPasswords,
    issuerSeed: new TextDecoder().decode(issuer.getSeed()),
    issuerPublic: issuer.getPublicKey(),
  };
}

export async function kubeConnectionOf(paths: InstancePaths, record: InstanceRecord): Promise<KubeConnection> {
  const { kubeToken } = await readSecrets(paths);
  const caPem = await readFile(keyFiles(paths).ca, 'utf8');
  return { server: `https://127.0.0.1:${record.ports.apiserver}`, token: kubeToken, caPem };
}

export function natsConnectionOf(record: InstanceRecord, secrets: Secrets): PlaneConnection {
  const users = Object.fromEntries(
    natsUsers.map((user) => [user, { user, password: secrets.natsPasswords[user] }]),
  ) as PlaneConnection['users'];
  return {
    natsUrl: `nats://127.0.0.1:${record.ports.nats}`,
    monitorUrl: `http://127.0.0.1:${record.ports.natsMonitor}`,
    users,
    issuerSeed: secrets.issuerSeed,
    issuerPublic: secrets.issuerPublic,
  };
}
