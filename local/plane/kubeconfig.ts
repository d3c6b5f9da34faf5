// Owns: the kubeconfig text. It carries a bearer token, since the CLI forwards the caller's token to the engine's API.
import { stringify } from 'yaml';
import type { KubeConnection } from '../contract.ts';

export function kubeconfigText(instance: string, connection: KubeConnection): string {
  const name = `signalbox-${instance}`;
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name,
        cluster: {
          server: connection.server,
          'certificate-authority-data': Buffer.from(connection.caPem).toString('base64'),
        },
      },
    ],
    users: [{ name, user: { token: connection.token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
    'current-context': name,
  });
}
