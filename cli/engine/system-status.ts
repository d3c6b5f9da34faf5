// Owns: asking the engine of a local instance how the runtime as a whole is.
import { isSignalboxError } from '../../api/errors.ts';
import type { SystemStatus } from '../../api/messages/status.ts';
import type { Host } from '../host.ts';
import type { Instance } from '../local-plane.ts';
import { systemNamespace } from './address.ts';

/** What the engine says, or why it says nothing. */
export type Work = SystemStatus | { readonly problem: string };

const timeoutMs = 15_000;

export async function workOf(host: Host, instance: Instance): Promise<Work> {
  try {
    const plane = await host.local();
    const { wire } = await import('./wire.ts');
    const base = await plane.serviceUrl({ ...instance, namespace: systemNamespace, service: 'signalbox-engine' });
    const { token } = await plane.kubeConnection(instance);
    const answer = await wire({
      method: 'GET',
      url: `${base}/v1/status`,
      headers: { authorization: `Bearer ${token}` },
      timeoutMs,
      signal: host.interrupted,
    });
    if (answer.status === 200) return answer.body as SystemStatus;
    const { message } = (answer.body ?? {}) as { readonly message?: string };
    return { problem: message ?? `the engine answered with HTTP ${answer.status}` };
  } catch (error) {
    if (isSignalboxError(error)) return { problem: error.message };
    throw error;
  }
}
