import { parseAllDocuments } from 'yaml';
import { describe, expect, test } from 'vitest';
import { toolSpecSchema } from '../../api/v1alpha1/tool.ts';
import { manifests } from './manifest.ts';
import { dnsLabel, functionName, namer } from './names.ts';
import { importOpenApi, isOpenApi } from './openapi.ts';
import { plainSchema } from './schema.ts';

const shop = {
  openapi: '3.0.3',
  info: { title: 'Shop', version: '1' },
  servers: [{ url: '/api/{stage}', variables: { stage: { default: 'v1' } } }],
  paths: {
    '/orders': {
      get: {
        operationId: 'listOrders',
        summary: 'Lists orders.',
        parameters: [
          { name: 'status', in: 'query', schema: { type: 'string', nullable: true } },
          {
            name: 'limit',
            in: 'query',
            required: true,
            description: 'At most.',
            schema: { $ref: '#/components/schemas/Count' },
          },
          { name: 'X-Trace', in: 'header', schema: { type: 'string' } },
        ],
        responses: { '200': { content: { 'application/json': { schema: { $ref: '#/components/schemas/Order' } } } } },
      },
      post: {
        operationId: 'create_order',
        requestBody: {
          required: true,
          content: { 'application/json; charset=utf-8': { schema: { $ref: '#/components/schemas/Order' } } },
        },
      },
    },
    '/orders/{orderId}/lines/{line}': {
      parameters: [{ name: 'orderId', in: 'path', required: true, schema: { type: 'string' } }],
      put: {
        description: 'Changes a line.',
        parameters: [{ name: 'line', in: 'path', required: true, schema: { type: 'integer' } }],
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { type: 'object', required: ['count'], properties: { count: { type: 'integer' } } },
            },
          },
        },
      },
    },
    '/upload': { post: { operationId: 'upload', requestBody: { required: true, content: { 'text/csv': {} } } } },
    '/bulk': {
      post: {
        operationId: 'bulk',
        requestBody: { required: true, content: { 'application/json': { schema: { type: 'array' } } } },
      },
    },
    '/keyed': {
      get: { operationId: 'keyed', parameters: [{ name: 'X-Key', in: 'header', required: true, schema: {} }] },
    },
  },
  components: {
    schemas: {
      Count: { type: 'integer', minimum: 0, exclusiveMinimum: true, example: 5 },
      Order: {
        type: 'object',
        required: ['id'],
        properties: {
          id: { type: 'string' },
          example: { type: 'string' },
          parent: { $ref: '#/components/schemas/Order' },
        },
      },
    },
  },
};

describe('an OpenAPI document', () => {
  const imported = importOpenApi(shop, { from: 'https://shop.example.com/docs/openapi.json' });
  const tool = (original: string) => imported.tools.find((one) => one.original === original);

  test('gives a tool per operation, with the server read against its own address', () => {
    expect(imported.tools.map((one) => [one.original, one.http?.method, one.http?.url])).toEqual([
      ['listOrders', 'GET', 'https://shop.example.com/api/v1/orders'],
      ['create_order', 'POST', 'https://shop.example.com/api/v1/orders'],
      [
        'put /orders/{orderId}/lines/{line}',
        'PUT',
        'https://shop.example.com/api/v1/orders/{args.orderId}/lines/{args.line}',
      ],
    ]);
  });

  test('says what is skipped and why', () => {
    expect(imported.skipped).toEqual([
      { what: 'POST /upload', why: 'its body is not JSON' },
      { what: 'POST /bulk', why: 'its body is of type "array"; a Tool sends one JSON object' },
      { what: 'GET /keyed', why: 'it requires the header parameter "X-Key", which a Tool cannot send' },
    ]);
  });

  test('query parameters become arguments, in JSON Schema', () => {
    expect(tool('listOrders')?.input).toEqual({
      type: 'object',
      properties: {
        status: { type: ['string', 'null'] },
        limit: { type: 'integer', exclusiveMinimum: 0, description: 'At most.' },
      },
      required: ['limit'],
    });
  });

  test('a schema that contains itself ends, and a property called example stays', () => {
    expect(tool('create_order')?.input).toEqual({
      type: 'object',
      required: ['id'],
      properties: { id: { type: 'string' }, example: { type: 'string' }, parent: {} },
    });
  });

  test('parameters of the path and members of the body stand side by side', () => {
    expect(tool('put /orders/{orderId}/lines/{line}')?.input).toEqual({
      type: 'object',
      properties: { orderId: { type: 'string' }, line: { type: 'integer' }, count: { type: 'integer' } },
      required: ['orderId', 'line', 'count'],
    });
  });

  test('a URL template replaces the server', () => {
    const [first] = importOpenApi(shop, { from: 'shop.json', urlTemplate: 'http://host/s/{run.id}/' }).tools;
    expect(first?.http?.url).toBe('http://host/s/{run.id}/orders');
  });

  test('without an address it asks for one', () => {
    expect(() => importOpenApi(shop, { from: 'shop.json' })).toThrow('give the base URL with --url-template');
  });

  test('version 2 is none', () => {
    expect(isOpenApi({ swagger: '2.0' })).toBe(false);
  });
});

describe('a manifest', () => {
  const draft = {
    original: 'Get_User',
    description: '',
    input: { type: 'object' },
    mcp: { url: 'http://a/mcp', tool: 'Get_User' },
    hint: 'the server says readOnly true\n(not checked)',
  };

  test('leaves effect empty, with the choices and the hint as a comment', async () => {
    const text = await manifests([draft], { from: 'http://a/mcp' });
    expect(text).toContain(
      '  effect: ""  # read | idempotentWrite | write | irreversible: the server says readOnly true (not checked)\n',
    );
    const [document] = parseAllDocuments(text);
    expect(document?.toJS()).toEqual({
      apiVersion: 'signalbox.dev/v1alpha1',
      kind: 'Tool',
      metadata: { name: 'get-user' },
      spec: { description: 'Get_User', function: 'Get_User', mcp: draft.mcp, effect: '', input: { type: 'object' } },
    });
  });

  test('is refused as it is, and accepted once effect is filled in', async () => {
    const [document] = parseAllDocuments(await manifests([draft], { from: 'x' }));
    const spec = (document?.toJS() as { spec: object } | undefined)?.spec;
    expect(toolSpecSchema.safeParse(spec).error?.issues.map((issue) => issue.path)).toEqual([['effect']]);
    expect(toolSpecSchema.safeParse({ ...spec, effect: 'read' }).success).toBe(true);
  });

  test('cannot be broken out of by a description or hint', async () => {
    const evil = { ...draft, description: 'x\n  effect: read\n---\nkind: Secret', hint: 'a\n  effect: read' };
    const documents = parseAllDocuments(await manifests([evil, evil], { from: 'a\nkind: Secret' }));
    expect(documents.map((one) => (one.toJS() as { kind: string; spec: { effect: string } }).kind)).toEqual([
      'Tool',
      'Tool',
    ]);
    expect(documents.map((one) => (one.toJS() as { spec: { effect: string } }).spec.effect)).toEqual(['', '']);
  });
});

describe('names', () => {
  test.each([
    ['getUserById', 'get-user-by-id'],
    ['find_user.id by email', 'find-user-id-by-email'],
    ['HTTPServerURL', 'http-server-url'],
    ['__', 'tool'],
    ['x'.repeat(80), 'x'.repeat(63)],
  ])('%s is called %s', (text, label) => expect(dnsLabel(text)).toBe(label));

  test('never collide, also where they are cut', () => {
    const name = namer('shop-');
    const long = 'y'.repeat(80);
    const names = ['get_user', 'getUser', 'get-user', long, long, 'get-user-2'].map((text) => name(text));
    expect(new Set(names).size).toBe(names.length);
    expect(names.slice(0, 3)).toEqual(['shop-get-user', 'shop-get-user-2', 'shop-get-user-3']);
    for (const one of names) expect(one).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
  });

  test('the original is kept for the model where it differs, in letters that models take', () => {
    expect(functionName('get-user', 'get-user')).toBeUndefined();
    expect(functionName('get_user', 'get-user')).toBe('get_user');
    expect(functionName('get /users/{id}', 'get-users-id')).toBe('get_users_id_');
  });
});

test('a reference that points nowhere leaves the schema open', () => {
  expect(plainSchema({}, { $ref: '#/components/schemas/Gone' })).toEqual({});
  expect(plainSchema({}, { properties: { a: { $ref: 'http://elsewhere/x.json' } } })).toEqual({
    properties: { a: {} },
  });
});
