// Owns: the gateway of a clerk under test: tools of every effect at a server that errs on demand, two models, and a permission
// for each tool.
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { ToolAskReply } from '../../api/messages/asks.ts';
import type { JsonObject, ToolResult } from '../../api/messages/history.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { type FaultServer, startFaultServer } from './fault-server.ts';
import { type GatewayProcess, type GatewayStage, startGatewayStage } from './gateway-stage.ts';
import { type ModelServer, startModelServer } from './model-server.ts';

/** What no answer and no log may tell. */
export const planted = 'planted-tool-secret-4711';
export const plantedKey = 'planted-model-key-0815';
const idempotency = { header: 'Idempotency-Key' };
const byKey = { query: { tool: 'find', by: 'idempotencyKey' as const } };

export const permissions: readonly Permission[] = [
  { tool: 'look', mode: 'read' },
  { tool: 'find', mode: 'read' },
  { tool: 'pay', mode: 'write' },
  { tool: 'book', mode: 'write' },
  { tool: 'send', mode: 'write' },
  { tool: 'huge-read', mode: 'read' },
  { tool: 'huge-write', mode: 'write' },
  { tool: 'approve-me', mode: 'approve', queue: 'desk' },
  { tool: 'suggest', mode: 'recommendOnly' },
  { tool: 'secret', mode: 'write' },
  { tool: 'charge', mode: 'write' },
  { tool: 'unlisted', mode: 'read' },
  { tool: 'metered', mode: 'read' },
];

const toolsAt = (url: string): Readonly<Record<string, ToolSpec>> => {
  const tool = (path: string, effect: ToolSpec['effect'], more: Partial<ToolSpec> = {}): ToolSpec => ({
    description: 'A tool.',
    http: { url: `${url}${path}` },
    input: { type: 'object', required: ['id'], properties: { id: { type: 'string' } }, additionalProperties: false },
    effect,
    limits: { timeout: '1s' },
    ...more,
  });
  return {
    look: tool('/look', 'read'),
    find: tool('/find', 'read', { input: { type: 'object' }, http: { url: `${url}/find`, method: 'GET' } }),
    pay: tool('/pay', 'idempotentWrite', { idempotency }),
    book: tool('/book', 'write', { idempotency, onAmbiguous: byKey }),
    send: tool('/send', 'irreversible'),
    'huge-read': tool('/huge', 'read'),
    'huge-write': tool('/huge', 'write'),
    'approve-me': tool('/approved', 'write'),
    suggest: tool('/suggest', 'write'),
    secret: tool('/secret', 'write', { credential: { secretRef: { name: 'tools', key: 'token' } } }),
    ungranted: tool('/ungranted', 'write'),
    charge: tool('/charge', 'write', { onAmbiguous: { query: { tool: 'unlisted', by: 'arguments' } } }),
    unlisted: tool('/unlisted', 'read'),
    metered: tool('/metered', 'read', { limits: { perMinute: 20 } }),
  };
};

async function startStage(server: FaultServer, vendor: ModelServer): Promise<GatewayStage> {
  const tools = toolsAt(server.url);
  const prices = { currency: 'USD', inputPerMillion: 1_000_000, outputPerMillion: 2_000_000 };
  const endpoint = (baseURL: string) => ({
    endpoint: { baseURL, model: 'small', secretRef: { name: 'models', key: 'apiKey' } },
    prices,
    limits: { timeout: '10s' },
  });
  return startGatewayStage({
    tools,
    models: { main: endpoint(vendor.url), spare: endpoint(`${vendor.url}/spare`) },
    spec: {
      models: { start: 'main', backup: 'spare' },
      tools: Object.keys(tools).filter((name) => name !== 'unlisted'),
    },
    secrets: { models: { apiKey: plantedKey }, tools: { token: planted } },
    permissions,
  });
}

export interface ClerkGateway {
  readonly server: FaultServer;
  readonly vendor: ModelServer;
  readonly stage: GatewayStage;
  readonly gateway: GatewayProcess;
  /** Of all gateways so far. */
  readonly logs: () => string;
  /** SIGKILL, and another one. */
  readonly crash: () => Promise<void>;
  /** An activity of its own for each test. */
  readonly target: () => {
    readonly run: string;
    readonly activity: string;
    readonly attempt: number;
    readonly turn: number;
  };
  readonly askTool: (name: string, args?: JsonObject, more?: object) => Promise<ToolAskReply>;
  /** How often any tool has acted in this test. */
  readonly acted: () => number;
}

/** Starts all of it before the tests of a file and stops it after them; each test finds it as it was. */
export function clerkGateway(): ClerkGateway {
  const there: { server?: FaultServer; vendor?: ModelServer; stage?: GatewayStage; gateway?: GatewayProcess } = {};
  const started = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('the gateway is there in tests only');
    return part;
  };
  let before = '';
  let counter = 0;
  beforeAll(async () => {
    there.server = await startFaultServer();
    there.vendor = await startModelServer();
    there.stage = await startStage(there.server, there.vendor);
    there.gateway = await there.stage.startGateway();
  }, 60_000);
  afterAll(async () => {
    await there.stage?.stop();
    await there.server?.stop();
    await there.vendor?.stop();
  });
  beforeEach(() => {
    clerk.server.clear();
    counter += 1;
    Object.assign(clerk.stage.engine, { allowed: {}, refused: undefined, proposed: true });
    clerk.stage.engine.requests.length = 0;
  });
  const target: ClerkGateway['target'] = () => ({ run: `run${counter}`, activity: 'work.1', attempt: 1, turn: 1 });
  const clerk: ClerkGateway = {
    get server() {
      return started(there.server);
    },
    get vendor() {
      return started(there.vendor);
    },
    get stage() {
      return started(there.stage);
    },
    get gateway() {
      return started(there.gateway);
    },
    logs: () => before + clerk.gateway.log(),
    async crash() {
      before = clerk.logs();
      await clerk.gateway.kill();
      there.gateway = await clerk.stage.startGateway();
    },
    target,
    askTool: (name, args = { id: 'x' }, more = {}) =>
      clerk.stage.ask('tool', { ...target(), ...more, call: { id: 'c1', tool: name, args } }),
    acted: () => [...clerk.server.effects.values()].reduce((sum, count) => sum + count, 0),
  };
  return clerk;
}

export async function resultOf(reply: Promise<ToolAskReply>): Promise<ToolResult> {
  const answer = await reply;
  if (answer.kind === 'Error') throw new Error(`${answer.code}: ${answer.message}`);
  return answer.result;
}
