// Owns: how a process of the runtime proves who it is to NATS.
import { readFile } from 'node:fs/promises';
import { inboxPrefix, type NatsAccount } from '../api/messages/subjects.ts';
import { containerPath, type Environment, required } from './settings.ts';

const tokenPath = '/var/run/secrets/signalbox/nats/token';

export interface NatsIdentity {
  readonly url: string;
  readonly name: string;
  readonly account: NatsAccount;
  readonly user?: string;
  readonly password?: string;
  readonly token?: () => Promise<string>;
  readonly inboxPrefix?: string;
}

/**
 * The identity for one account: `SIGNALBOX_NATS_<ACCOUNT>_USER` and `_PASSWORD` where they are set, else the pod's projected
 * token, read again for each connect, with the account as user.
 */
export function natsIdentity(environment: Environment, account: NatsAccount, component: string): NatsIdentity {
  const pod = environment['POD_NAME'] ?? component;
  const url = required(environment, 'SIGNALBOX_NATS_URL');
  const name = `${component}/${pod}`;
  const user = environment[`SIGNALBOX_NATS_${account}_USER`];
  if (user !== undefined && user !== '') {
    return { url, name, account, user, password: environment[`SIGNALBOX_NATS_${account}_PASSWORD`] ?? '' };
  }
  const file = containerPath(environment, tokenPath);
  return {
    url,
    name,
    account,
    user: account,
    token: async () => (await readFile(file, 'utf8')).trim(),
    inboxPrefix: inboxPrefix(required(environment, 'SIGNALBOX_NAMESPACE'), pod),
  };
}
