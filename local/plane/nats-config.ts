// Owns: the configuration of nats-server and the proof that it holds.
//
// CONTROL carries journal and task streams, WORK what workers may reach, AUTH only the responder of the auth callout.
// Static users (one per role and account) bypass the callout; everyone else is authenticated by it.
import { request } from 'undici';
import { SignalboxError } from '../../api/errors.ts';
import type { NatsSync, NatsUser } from '../contract.ts';
import type { InstancePaths } from './paths.ts';
import { natsUsers, type InstanceRecord, type Secrets } from './record.ts';

const accounts: Readonly<Record<string, readonly NatsUser[]>> = {
  CONTROL: ['operator', 'engine', 'gateway'],
  WORK: ['operator-work', 'engine-work', 'gateway-work'],
  AUTH: ['callout'],
  SYS: ['system'],
};

export function natsConfig(paths: InstancePaths, record: InstanceRecord, secrets: Secrets): string {
  const quoted = (text: string): string => JSON.stringify(text);
  const user = (name: NatsUser): string =>
    `      { user: ${quoted(name)}, password: ${quoted(secrets.natsPasswords[name])} }`;
  const account = ([name, users]: readonly [string, readonly NatsUser[]]): string => {
    const stored = name === 'CONTROL' || name === 'WORK' ? '    jetstream: enabled\n' : '';
    return `  ${name} {\n${stored}    users: [\n${users.map(user).join('\n')}\n    ]\n  }`;
  };
  return `server_name: ${quoted(`signalbox-${record.name}`)}
listen: "127.0.0.1:${record.ports.nats}"
http: "127.0.0.1:${record.ports.natsMonitor}"
max_payload: 1MB
jetstream {
  store_dir: ${quoted(paths.nats)}
  sync_interval: always
  max_memory_store: 512MB
  max_file_store: 64GB
}
accounts {
${Object.entries(accounts).map(account).join('\n')}
}
system_account: SYS
authorization {
  auth_callout {
    issuer: ${quoted(secrets.issuerPublic)}
    account: AUTH
    auth_users: [ ${natsUsers.map(quoted).join(', ')} ]
  }
}
`;
}

interface Varz {
  readonly version?: string;
  readonly jetstream?: { readonly config?: { readonly sync_always?: boolean; readonly sync_interval?: number } };
}

/** What the running server says about itself. */
export async function readNatsSync(monitorUrl: string): Promise<NatsSync> {
  const answer = await request(`${monitorUrl}/varz`, { headersTimeout: 2_000, bodyTimeout: 2_000 });
  const varz = (await answer.body.json()) as Varz;
  const config = varz.jetstream?.config;
  return {
    version: varz.version ?? 'unknown',
    jetstream: config !== undefined,
    syncAlways: config?.sync_always === true,
  };
}

/** Refuses a server that acknowledges before the message is on disk. */
export async function assertDurable(monitorUrl: string): Promise<void> {
  const sync = await readNatsSync(monitorUrl);
  if (sync.jetstream && sync.syncAlways) return;
  throw new SignalboxError(
    'BUS_NOT_DURABLE',
    `nats-server ${sync.version} at ${monitorUrl} runs ${sync.jetstream ? 'with another sync_interval than "always"' : 'without JetStream'}: ` +
      'acknowledged messages could be lost in a power cut. Stop what else listens there, then `signalbox down` and `up`.',
  );
}
