// Owns: the operator's settings, read once from the environment.
import { SignalboxError } from '../api/errors.ts';
import { defaultPartitions } from '../api/messages/subjects.ts';
import { type Durability, durabilities } from '../ports/journal.ts';
import type { Address } from './admission/configuration.ts';
import type { LeaseTimes } from './controller/leader.ts';

export interface NatsLogin {
  readonly user: string;
  readonly password: string;
}

export interface Settings {
  readonly podName: string;
  readonly podNamespace: string;
  readonly podIp: string;
  readonly httpPort: number;
  readonly webhookPort: number;
  readonly webhook: Address;
  readonly natsUrl: string;
  readonly control: NatsLogin;
  readonly work: NatsLogin;
  /** Absent: somebody else answers for connections without a static user. */
  readonly callout?: NatsLogin & { readonly issuerSeed: string };
  readonly partitions: number;
  readonly durability: Durability;
  readonly image: string;
  readonly lease: LeaseTimes;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function readSettings(environment: Environment): Settings {
  const text = (name: string): string => {
    const value = environment[name];
    if (value) return value;
    throw new SignalboxError('CONFIG_INVALID', `${name} is not set; deploy/operator.yaml shows where it comes from`);
  };
  const number = (name: string, fallback: number, [min, max]: readonly [number, number]): number => {
    const found = environment[name];
    const value = found ? Number(found) : fallback;
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new SignalboxError(
      'CONFIG_INVALID',
      `${name} is "${found}"; allowed is a whole number from ${min} to ${max}`,
    );
  };
  const login = (name: string): NatsLogin => ({
    user: text(`SIGNALBOX_NATS_${name}_USER`),
    password: text(`SIGNALBOX_NATS_${name}_PASSWORD`),
  });
  const podIp = text('POD_IP');
  const podNamespace = text('POD_NAMESPACE');
  const webhookPort = number('SIGNALBOX_WEBHOOK_PORT', 9443, ports);
  const issuerSeed = environment['SIGNALBOX_NATS_ISSUER_SEED'];
  return {
    podName: text('POD_NAME'),
    podNamespace,
    podIp,
    durability: durabilityOf(environment['SIGNALBOX_DURABILITY'] || 'disk'),
    httpPort: number('SIGNALBOX_HTTP_PORT', 8080, ports),
    webhookPort,
    webhook: addressOf(environment, { podIp, podNamespace, webhookPort }),
    natsUrl: text('SIGNALBOX_NATS_URL'),
    control: login('CONTROL'),
    work: login('WORK'),
    ...(issuerSeed ? { callout: { ...login('CALLOUT'), issuerSeed } } : {}),
    partitions: number('SIGNALBOX_PARTITIONS', defaultPartitions, [1, 256]),
    image: environment['SIGNALBOX_IMAGE'] || 'signalbox',
    lease: leaseOf(number('SIGNALBOX_LEASE_SECONDS', 15, [3, 300])),
  };
}

const ports = [1, 65_535] as const;

/** Pods that are plain processes (SIGNALBOX_ROOT) have no Service network: the API server goes to the pod itself. */
function addressOf(
  environment: Environment,
  pod: { readonly podIp: string; readonly podNamespace: string; readonly webhookPort: number },
): Address {
  const host = environment['SIGNALBOX_WEBHOOK_URL_HOST'] || (environment['SIGNALBOX_ROOT'] ? pod.podIp : undefined);
  return host === undefined
    ? { kind: 'Service', namespace: pod.podNamespace }
    : { kind: 'Url', host, port: pod.webhookPort };
}

const leaseOf = (seconds: number): LeaseTimes => ({
  leaseMs: seconds * 1_000,
  renewMs: Math.round((seconds * 2_000) / 3),
  retryMs: Math.round((seconds * 2_000) / 15),
});

function durabilityOf(found: string): Durability {
  const known = durabilities.find((one) => one === found);
  if (known !== undefined) return known;
  throw new SignalboxError(
    'CONFIG_INVALID',
    `SIGNALBOX_DURABILITY is "${found}"; allowed are ${durabilities.join(' and ')}`,
  );
}
