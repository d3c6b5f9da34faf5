// Owns: what the API server knows of the webhook: which objects, where, and whom to trust. The shared authority lives in one
// Secret that the operator may read and write by name; whoever comes first fills it.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import { group, version } from '../../api/schema.ts';
import { kinds } from '../../api/v1alpha1/kinds.ts';
import { checkedKinds } from '../../core/admission/admission.ts';
import type { Kube, KubeObject, Resource } from '../../ports/kube.ts';
import { SECRET } from '../../ports/resources.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { isPartOf } from '../controller/compare.ts';
import { type KeyPair, newAuthority } from './certificates.ts';

const CONFIGURATION: Resource = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingwebhookconfigurations',
  kind: 'ValidatingWebhookConfiguration',
  namespaced: false,
};
export const configurationName = 'signalbox';
export const secretName = 'signalbox-webhook';
const serviceName = 'signalbox-operator';
const timeoutSeconds = 5;
const triesMax = 5;
const CHECK_MS = 30_000;

/** Where the API server finds us. */
export type Address =
  | { readonly kind: 'Url'; readonly host: string; readonly port: number }
  | { readonly kind: 'Service'; readonly namespace: string };

/** Names and addresses the serving certificate must carry. */
export function hostsOf(address: Address): readonly string[] {
  if (address.kind === 'Url') return [address.host];
  const name = `${serviceName}.${address.namespace}`;
  return [`${name}.svc`, `${name}.svc.cluster.local`, name];
}

interface SecretObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** The authority in the Secret; made by the first replica that finds it empty. */
export async function sharedAuthority(kube: Kube, namespace: string, clock: Clock): Promise<KeyPair> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const secret = await kube.get<SecretObject>(SECRET, { namespace, name: secretName });
    if (secret === undefined) {
      throw new SignalboxError(
        'NOT_FOUND',
        `Secret ${namespace}/${secretName} does not exist: apply deploy/operator.yaml`,
      );
    }
    const found = pairIn(secret);
    if (found !== undefined) return found;
    const authority = newAuthority(clock.now());
    try {
      await kube.replace(SECRET, {
        ...secret,
        data: { 'ca.crt': encode(authority.certificate), 'ca.key': encode(authority.key) },
      });
      return authority;
    } catch (error) {
      if (!isSignalboxError(error, 'KUBE_CONFLICT')) throw error;
    }
  }
  throw new SignalboxError('KUBE_CONFLICT', `Secret ${namespace}/${secretName} changes all the time`);
}

function pairIn({ data }: SecretObject): KeyPair | undefined {
  const { 'ca.crt': certificate, 'ca.key': key } = data ?? {};
  return certificate && key ? { certificate: decode(certificate), key: decode(key) } : undefined;
}

const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8');

export function configurationOf(address: Address, authority: KeyPair): KubeObject {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: CONFIGURATION.kind,
    metadata: { name: configurationName },
    webhooks: [
      {
        name: `checks.${group}`,
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        timeoutSeconds,
        clientConfig: { ...clientConfig(address), caBundle: encode(authority.certificate) },
        rules: [
          {
            apiGroups: [group],
            apiVersions: [version],
            operations: ['CREATE', 'UPDATE'],
            resources: checkedKinds.map((kind) => kinds.find((one) => one.kind === kind)?.plural ?? ''),
            scope: 'Namespaced',
          },
        ],
        // A finalizer or a label of an older object must never wait for a check that came later.
        matchConditions: [{ name: 'spec-changed', expression: 'oldObject == null || object.spec != oldObject.spec' }],
      },
    ],
  };
}

function clientConfig(address: Address) {
  if (address.kind === 'Url') return { url: `https://${address.host}:${address.port}/` };
  return { service: { namespace: address.namespace, name: serviceName, path: '/', port: 443 } };
}

export interface Keeping {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Called after each look that ended well. */
  readonly looked: () => void;
}

/** Keeps the configuration as it must be for as long as we lead. */
export async function keepConfiguration(
  wanted: KubeObject,
  { kube, clock, log, signal, looked }: Keeping,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const live = await kube.get(CONFIGURATION, { name: configurationName });
      if (live === undefined) {
        log.error('the webhook is not installed: apply deploy/webhook.yaml', { name: configurationName });
      } else if (!isPartOf(wanted, live)) {
        await kube.apply(CONFIGURATION, wanted, { fieldManager: 'signalbox-admission', force: true });
        log.info('the webhook is installed', { name: configurationName });
      }
      looked();
    } catch (error) {
      log.warn('the webhook could not be looked after; trying again', { error });
    }
    await clock.sleep(CHECK_MS, signal).catch(() => undefined);
  }
}
