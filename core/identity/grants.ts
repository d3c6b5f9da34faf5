// Owns: which NATS subjects a pod may use, from who the API server says it is. Allow-lists only.
//   I1: a worker publishes only below its own namespace, agent and bundle.   I2: no worker reaches the account CONTROL.
//   I3: whoever is not recognised gets nothing.
import {
  agentServiceAccount,
  askWildcard,
  bundleToken,
  gatewayAsks,
  gatewayServiceAccount,
  inboxPrefix,
  type NatsAccount,
  streams,
  taskConsumer,
} from '../../api/messages/subjects.ts';

/** A pod as a reviewed token and its labels show it. */
export interface PodIdentity {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Grant {
  readonly account: NatsAccount;
  readonly name: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export type GrantDecision =
  { readonly kind: 'Granted'; readonly grant: Grant } | { readonly kind: 'Refused'; readonly message: string };

const label = { agent: 'signalbox.dev/agent', bundle: 'signalbox.dev/bundle' } as const;
const agentPrefix = agentServiceAccount('');

export function grantFor(pod: PodIdentity, account: string | undefined): GrantDecision {
  if (pod.serviceAccount === gatewayServiceAccount) return gatewayGrant(pod, account);
  if (pod.serviceAccount.startsWith(agentPrefix)) return workerGrant(pod, account);
  return refused(
    `service account ${pod.namespace}/${pod.serviceAccount} is neither ${gatewayServiceAccount} nor ${agentPrefix}<agent>`,
  );
}

function workerGrant(pod: PodIdentity, account: string | undefined): GrantDecision {
  if (account !== undefined && account !== 'WORK') return refused(`a worker may use account WORK, not ${account}`);
  const agent = pod.serviceAccount.slice(agentPrefix.length);
  const bundle = pod.labels[label.bundle] ?? '';
  if (pod.labels[label.agent] !== agent) {
    return refused(
      `pod ${pod.pod} is labelled for agent ${pod.labels[label.agent] ?? '(none)'}, its service account for ${agent}`,
    );
  }
  if (!/^[0-9a-f]{12}$/.test(bundle)) return refused(`pod ${pod.pod} has no label ${label.bundle} with 12 hex digits`);
  const consumer = `${streams.tasks}.${taskConsumer(pod.namespace, agent, bundleToken(bundle))}`;
  return granted({
    account: 'WORK',
    name: `worker/${pod.namespace}/${pod.pod}`,
    publish: [
      askWildcard({ namespace: pod.namespace, agent, bundle }),
      `$JS.API.CONSUMER.INFO.${consumer}`,
      `$JS.API.CONSUMER.MSG.NEXT.${consumer}`,
      `$JS.ACK.${consumer}.>`,
    ],
    subscribe: [`${inboxPrefix(pod.namespace, pod.pod)}.>`],
  });
}

function gatewayGrant(pod: PodIdentity, account: string | undefined): GrantDecision {
  const inbox = `${inboxPrefix(pod.namespace, pod.pod)}.>`;
  const name = `gateway/${pod.namespace}/${pod.pod}`;
  if (account === 'WORK') {
    return granted({
      account,
      name,
      publish: ['_INBOX.>'],
      subscribe: [gatewayAsks(pod.namespace), inbox],
    });
  }
  if (account !== 'CONTROL')
    return refused(`a gateway must ask for account CONTROL or WORK, not ${account ?? '(none)'}`);
  const readBuckets = ['catalog', 'keys', 'spend', 'limits'].flatMap((bucket) => [
    `$JS.API.STREAM.INFO.KV_${bucket}`,
    `$JS.API.STREAM.MSG.GET.KV_${bucket}`,
    `$JS.API.DIRECT.GET.KV_${bucket}`,
    `$JS.API.DIRECT.GET.KV_${bucket}.>`,
    `$JS.API.CONSUMER.CREATE.KV_${bucket}`,
    `$JS.API.CONSUMER.CREATE.KV_${bucket}.>`,
    `$JS.API.CONSUMER.INFO.KV_${bucket}.>`,
    `$JS.API.CONSUMER.DELETE.KV_${bucket}.>`,
  ]);
  return granted({
    account,
    name,
    publish: [
      'engine.*.authorize',
      `ledger.${pod.namespace}.>`,
      `$JS.API.INFO`,
      `$JS.API.STREAM.INFO.${streams.ledger}`,
      `$JS.API.STREAM.MSG.GET.${streams.ledger}`,
      `$KV.spend.${pod.namespace}.>`,
      `$KV.limits.${pod.namespace}.>`,
      '$KV.keys.receipts',
      '$JS.FC.>',
      ...readBuckets,
    ],
    subscribe: [inbox],
  });
}

const granted = (grant: Grant): GrantDecision => ({ kind: 'Granted', grant });
const refused = (message: string): GrantDecision => ({ kind: 'Refused', message });
