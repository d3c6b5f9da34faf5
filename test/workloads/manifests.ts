// Owns: the manifests of a workload, as a person would write them. The product knows none of this.
import { stringify } from 'yaml';
import type { ListedTool } from './peer.ts';

const apiVersion = 'signalbox.dev/v1alpha1';

export interface Transport {
  readonly kind: 'http' | 'mcp';
  /** URL of the tool server. */
  readonly tools: string;
  /** URL of the model endpoint. */
  readonly model: string;
}

export const objectName = (tool: string): string => tool.replaceAll('_', '-');

export function workloadManifests(namespace: string, tools: readonly ListedTool[], transport: Transport): string {
  const metadata = (name: string) => ({ name, namespace });
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    ...tools.map((tool) => toolManifest(tool, transport, metadata(objectName(tool.name)))),
    {
      apiVersion,
      kind: 'Model',
      metadata: metadata('oracle'),
      spec: {
        endpoint: { baseURL: `${transport.model}/v1`, model: 'oracle' },
        prices: { currency: 'USD', inputPerMillion: 150_000, outputPerMillion: 600_000 },
      },
    },
    ...agentManifests(metadata, tools),
    workflowManifest(metadata('serve')),
  ];
  return objects.map((object) => stringify(object)).join('---\n');
}

function toolManifest(tool: ListedTool, transport: Transport, metadata: { name: string; namespace: string }): object {
  const place =
    transport.kind === 'http'
      ? { http: { url: `${transport.tools}/s/{run.id}/tools/${tool.name}` } }
      : { mcp: { url: `${transport.tools}/s/{run.id}/mcp`, tool: tool.name } };
  return {
    apiVersion,
    kind: 'Tool',
    metadata,
    spec: {
      description: tool.description,
      function: tool.name,
      ...place,
      input: tool.parameters,
      effect: tool.effect === 'read' ? 'read' : 'write',
      limits: { timeout: '20s' },
    },
  };
}

type Metadata = (name: string) => { name: string; namespace: string };

function agentManifests(metadata: Metadata, tools: readonly ListedTool[]): readonly object[] {
  return [
    {
      apiVersion,
      kind: 'EscalationPolicy',
      metadata: metadata('service'),
      spec: {
        rules: [
          { name: 'unknown-effect', signal: 'ambiguousEffect', action: 'humanQueue', queue: 'desk' },
          { name: 'stuck', signal: 'loop', atLeast: 6, action: 'humanQueue', queue: 'desk' },
        ],
        queues: [{ name: 'desk', deadline: '1h' }],
      },
    },
    {
      apiVersion,
      kind: 'Bundle',
      metadata: metadata('clerk-1'),
      spec: {
        agent: 'clerk',
        prompts: { executor: { text: 'You serve customers of the shop with the tools you are given.' } },
        models: { start: 'oracle' },
        tools: tools.map((tool) => objectName(tool.name)),
        verifier: { rules: [{ name: 'said-something', cel: 'size(result.text) > 0', message: 'Say how it ended.' }] },
        policy: { maxTurns: 40, confidenceFrom: 'none' },
      },
    },
    {
      apiVersion,
      kind: 'Agent',
      metadata: metadata('clerk'),
      spec: {
        role: 'Serves customers of the shop; changes orders only as they ask.',
        bundleRef: { name: 'clerk-1' },
        permissions: tools.map((tool) => ({
          tool: objectName(tool.name),
          mode: tool.effect === 'read' ? 'read' : 'write',
        })),
        escalationPolicyRef: { name: 'service' },
        scaling: { replicas: 1, slotsPerWorker: 16 },
      },
    },
  ];
}

function workflowManifest(metadata: { name: string; namespace: string }): object {
  return {
    apiVersion,
    kind: 'Workflow',
    metadata,
    spec: {
      input: { type: 'object', required: ['request'], properties: { request: { type: 'string' } } },
      escalationPolicyRef: { name: 'service' },
      start: 'serve',
      states: {
        serve: {
          type: 'task',
          agent: 'clerk',
          goal: 'Serve this customer: ${input.request}',
          timeout: '5m',
          backup: 'none',
          exits: { error: 'failed', timeout: 'failed' },
        },
        served: { type: 'terminal', outcome: 'success' },
        failed: { type: 'terminal', outcome: 'failed' },
      },
      transitions: [{ from: 'serve', to: 'served' }],
    },
  };
}
