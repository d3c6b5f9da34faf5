// The adapters against servers that nobody here wrote: their faults over HTTP and MCP, their model's faults. What the adapters
// say of a call must agree with the server's own log of what truly ran.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { models } from '../../adapters/model/models.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { tools } from '../../adapters/tools/tools.ts';
import { isSignalboxError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import type { ModelReply, ToolReply } from '../../ports/agent.ts';
import { findWorkloads, getJson, type PeerServer, startPeer } from '../workloads/peer.ts';

const folder = process.env['SIGNALBOX_WORKLOADS'] ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'workloads');
const workload = findWorkloads(folder).find((found) => found.name === 'retail');

if (workload === undefined) {
  test.skip(`no retail workload in ${folder}: nothing to compare with (set SIGNALBOX_WORKLOADS)`);
}

describe.runIf(workload !== undefined)('third-party tools and model', () => {
  let shop: PeerServer;
  let oracle: PeerServer;
  const adapter = tools();
  let session = 0;

  beforeAll(async () => {
    if (workload === undefined) return;
    shop = await startPeer(workload, 'tool-server.mjs');
    oracle = await startPeer(workload, 'oracle-model.mjs');
  }, 30_000);
  afterAll(async () => {
    await adapter.close();
    shop?.stop();
    oracle?.stop();
  });

  const run = () => `s${session}`;
  const call = (kind: 'http' | 'mcp', tool: string, args: JsonObject): Promise<ToolReply> => {
    const place =
      kind === 'http'
        ? { http: { url: `${shop.url}/s/{run.id}/tools/${tool}` } }
        : { mcp: { url: `${shop.url}/s/{run.id}/mcp`, tool } };
    const spec: ToolSpec = { description: 'x', ...place, input: {}, effect: 'write' };
    return adapter.call(spec, undefined, {
      args,
      fields: { run: { id: run() }, input: {} },
      idempotencyKey: 'k',
      timeoutMs: 800,
      maxResultBytes: 65_536,
    });
  };
  const cancel = (kind: 'http' | 'mcp') =>
    call(kind, 'cancel_pending_order', { order_id: '#W5918442', reason: 'no longer needed' });
  const executed = async (): Promise<number> => {
    const { entries } = await getJson<{ entries: readonly { executed: boolean }[] }>(`${shop.url}/s/${run()}/log`);
    return entries.filter((entry) => entry.executed).length;
  };
  const fault = (given: JsonObject): Promise<Response> =>
    fetch(`${shop.url}/s/${run()}/faults`, { method: 'POST', body: JSON.stringify([given]) });

  for (const kind of ['http', 'mcp'] as const) {
    it.each<[string, JsonObject | undefined, readonly ToolReply['kind'][], number]>([
      ['no fault', undefined, ['Done', 'Refused'], 1],
      ['reset before', { type: 'reset' }, ['Unknown'], 0],
      ['reset after', { type: 'reset', phase: 'after' }, ['Unknown'], 1],
      ['timeout before the commit', { type: 'timeout_before_commit' }, ['Unknown'], 0],
      ['timeout after the commit', { type: 'timeout_after_commit' }, ['Unknown'], 1],
      ['500 before', { type: 'error_500' }, ['Unknown'], 0],
      ['500 after', { type: 'error_500', phase: 'after' }, ['Unknown'], 1],
      ['429', { type: 'rate_limit_429' }, ['Unreached'], 0],
      ['half of the answer', { type: 'malformed_json' }, ['Unknown'], 1],
      ['slow', { type: 'slow', ms: 200 }, ['Done', 'Refused'], 1],
    ])(`${kind}: %s`, async (_words, given, kinds, ran) => {
      session += 1;
      if (given !== undefined) await fault({ tool: 'cancel_pending_order', ...given });
      const reply = await cancel(kind);
      expect(kinds).toContain(reply.kind);
      expect(await executed()).toBe(ran);
      // What is said to be certain is certain.
      if (reply.kind === 'Unreached') expect(ran).toBe(0);
    });

    it(`${kind}: a huge answer is cut, and said to be`, async () => {
      session += 1;
      await fault({ tool: '*', type: 'huge' });
      expect(await call(kind, 'list_all_product_types', {})).toMatchObject({ kind: 'Done', result: null });
    });

    it(`${kind}: a plain no is a refusal with the reason`, async () => {
      session += 1;
      const reply = await call(kind, 'get_order_details', { order_id: '#W0' });
      expect(reply).toMatchObject({ kind: 'Refused', error: expect.stringContaining('there is no order') });
    });
  }

  describe('the model', () => {
    const model = models(systemClock());
    const ask = (): Promise<ModelReply> =>
      model.ask(
        {
          endpoint: { baseURL: `${oracle.url}/v1`, model: 'oracle' },
          prices: { currency: 'USD', inputPerMillion: 1, outputPerMillion: 1 },
        },
        'any',
        {
          messages: [{ role: 'system', content: 'Task [[task retail/0]]' }],
          tools: ['find_user_id_by_name_zip', 'get_order_details'].map((name) => ({
            name,
            description: 'x',
            input: { type: 'object' },
          })),
          logprobs: false,
          timeoutMs: 3_000,
          idempotencyKey: 'k',
          script: {},
        },
      );
    const withFault = async (type: string): Promise<ModelReply | string> => {
      await fetch(`${oracle.url}/faults`, { method: 'POST', body: JSON.stringify([{ type }]) });
      return ask().catch((error: unknown) => (isSignalboxError(error) ? error.code : String(error)));
    };

    it('is asked over its own protocol', async () => {
      const args = { first_name: 'Yusuf', last_name: 'Rossi', zip: '19122' };
      expect(await ask()).toMatchObject({ calls: [{ name: 'find_user_id_by_name_zip', args }] });
    });
    it.each([
      ['rate_limit_429', 'MODEL_UNAVAILABLE'],
      ['error_500', 'MODEL_UNAVAILABLE'],
      ['stream_cut', 'MODEL_UNAVAILABLE'],
      ['refusal', 'MODEL_FAILED'],
    ])('%s', async (type, code) => {
      expect(await withFault(type)).toBe(code);
    });
    it('garbled arguments and unknown tools are handed on', async () => {
      expect(await withFault('malformed_tool_json')).toMatchObject({ calls: [{ problem: expect.any(String) }] });
      expect(await withFault('unknown_tool')).toMatchObject({ calls: [{ name: 'no_such_tool' }] });
      expect(await withFault('empty')).toMatchObject({ text: '', calls: [] });
    });
  });
});
