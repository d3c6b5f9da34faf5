import { expect, test } from 'vitest';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { checkModel } from './model.ts';
import { checkTool } from './tool.ts';

const tool = (url: string, kind: 'http' | 'mcp' = 'http'): ToolSpec => ({
  description: 'Shows an order.',
  ...(kind === 'http' ? { http: { url } } : { mcp: { url, tool: 'show' } }),
  input: {
    type: 'object',
    required: ['orderId'],
    properties: { orderId: { type: 'string' }, page: { type: 'string' } },
  },
  effect: 'read',
});
const refusals = (spec: ToolSpec): readonly string[] => checkTool('show-order', spec).map((one) => JSON.stringify(one));

test('a required argument may stand in the path of an HTTP tool', () => {
  expect(refusals(tool('http://shop/orders/{args.orderId}'))).toEqual([]);
});

test.each([
  ['an optional one', tool('http://shop/orders/{args.page}')],
  ['one nobody declared', tool('http://shop/orders/{args.other}')],
  ['any at an MCP server', tool('http://shop/{args.orderId}/mcp', 'mcp')],
  ['any in the host', tool('http://{args.orderId}/orders')],
])('%s may not', (_what, spec) => {
  expect(refusals(spec).join()).toContain('spec.');
});

test('a password in the URL of a model or tool is refused, and not said again', () => {
  const url = 'https://user:a-password@models.example.com/v1';
  const model = checkModel('small', { endpoint: { baseURL: url, model: 'm' } });
  for (const said of [JSON.stringify(model), refusals(tool(url)).join()]) {
    expect(said).toContain('without credentials');
    expect(said).not.toContain('a-password');
  }
});
