// Every CRD, rule and admission policy against a real API server: what users see when they are wrong, word for word.
import { readdirSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonLog } from '../../adapters/system/log.ts';
import { type CelRule, group, version } from '../../api/schema.ts';
import { kinds } from '../../api/v1alpha1/kinds.ts';
import { newAuthority, newServing } from '../../operator/admission/certificates.ts';
import { configurationName, configurationOf } from '../../operator/admission/configuration.ts';
import { serveWebhook, type WebhookServer } from '../../operator/admission/server.ts';
import { objectSchema, rulesOf } from '../../tools/generate/crds.ts';
import type { Schema } from '../../tools/generate/structural.ts';
import { invalidFixtures, type InvalidFixture, type Manifest, validFixtures } from '../fixtures/load.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';

const root = join(import.meta.dirname, '../..');
const refusedByServer = invalidFixtures().filter(({ check }) => check === undefined);
const warnedByChecks = invalidFixtures().filter(({ warned }) => warned.length > 0);
const refusedByChecks = invalidFixtures().filter(({ check, refused }) => check !== undefined && refused.length > 0);

let plane: TestPlane;
let agent: Agent;
beforeAll(async () => {
  plane = await startPlane({ crds: true });
  agent = new Agent({ keepAlive: true, maxSockets: 4, ca: plane.kube.caPem });
  for (const file of ['admission-decision.yaml', 'admission-rollout.yaml']) {
    await plane.kubectl(['apply', '-f', join(root, 'deploy', file)]);
  }
  await plane.kubectl(['create', 'clusterrolebinding', 'alice', '--clusterrole=cluster-admin', '--user=alice']);
  const answers = ['--verb=get,create,patch', '--resource=decisions.signalbox.dev,rolloutcommands.signalbox.dev'];
  await plane.kubectl(['create', 'clusterrole', 'answers', ...answers]);
  await plane.kubectl(['create', 'clusterrolebinding', 'carol', '--clusterrole=answers', '--user=carol']);
  await policiesAreActive();
});
afterAll(async () => {
  agent?.destroy();
  await plane?.stop();
});

/** Policies take up to some seconds to be compiled and watched. */
async function policiesAreActive(): Promise<void> {
  const personal = refusedByServer.filter(({ as }) => as !== undefined);
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const verdicts = await Promise.all(personal.map((fixture) => refusal(fixture)));
    if (verdicts.every((lines) => lines.join('\n').includes('ValidatingAdmissionPolicy'))) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the admission policies did not become active within 10 s');
}

/** What kubectl prints when the last document of a fixture is applied; nothing when it is accepted. */
async function refusal({ manifest, as, subresource }: InvalidFixture): Promise<readonly string[]> {
  const identity = as === undefined ? [] : ['--as', as];
  const status =
    subresource === undefined ? [] : ['--server-side', '--force-conflicts', `--subresource=${subresource}`];
  try {
    await plane.kubectl([...identity, 'apply', ...status, '--dry-run=server', '-f', '-'], JSON.stringify(manifest));
    return [];
  } catch (error) {
    return printed(error);
  }
}

function printed(error: unknown): readonly string[] {
  const { stderr } = error as { readonly stderr: string };
  return stderr
    .trim()
    .split('\n')
    .map((line) => line.trimEnd());
}

async function create({ status, ...manifest }: Manifest): Promise<void> {
  await plane.kubectl(['apply', '-f', '-'], JSON.stringify(manifest));
  if (status === undefined) return;
  const flags = ['--server-side', '--force-conflicts', '--subresource=status'];
  await plane.kubectl(['apply', ...flags, '-f', '-'], JSON.stringify({ ...manifest, status }));
}

test('every CRD is structural and established, and strict validation has no warning', async () => {
  for (const file of readdirSync(join(root, 'crds'))) {
    const args = ['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', join(root, 'crds', file)];
    expect(await plane.kubectl(args)).toContain('serverside-applied');
  }
  const conditions = await plane.kubectl(['get', 'crd', '-o', 'jsonpath={.items[*].status.conditions[*].type}']);
  expect(conditions).not.toContain('NonStructuralSchema');
  const served = await plane.kubectl(['api-resources', '--categories=signalbox', '-o', 'name']);
  expect(served.trim().split('\n').toSorted()).toEqual(kinds.map(({ plural }) => `${plural}.${group}`).toSorted());
});

describe('refused by the API server, with the exact words', () => {
  test.each(refusedByServer)('$file', async (fixture) => {
    for (const manifest of fixture.before) await create(manifest);
    try {
      expect(await refusal(fixture)).toEqual(fixture.refused);
    } finally {
      for (const { kind, metadata } of fixture.before) await plane.kubectl(['delete', kind, metadata.name]);
    }
  });
});

test('every CEL rule of every kind has a fixture that breaks it', () => {
  const broken = new Set(refusedByServer.map(({ rule }) => rule));
  const missing = kinds.flatMap((kind) =>
    [...rules(objectSchema(kind))]
      .filter(({ message }) => !broken.has(message))
      .map(({ message }) => `${kind.kind}: ${message}`),
  );
  expect(missing).toEqual([]);
});

function* rules(schema: Schema): Generator<CelRule> {
  yield* rulesOf(schema);
  for (const child of Object.values(schema.properties ?? {})) yield* rules(child);
  if (schema.items !== undefined) yield* rules(schema.items);
  if (schema.additionalProperties !== undefined) yield* rules(schema.additionalProperties);
}

describe('accepted by the API server', () => {
  test.each(validFixtures())('$file', async ({ manifest }) => {
    const args = ['apply', '--dry-run=server', '--validate=strict', '-f', '-'];
    expect(await plane.kubectl(args, JSON.stringify(manifest))).toContain('created');
  });
});

test('every example is accepted by the API server, with strict validation', async () => {
  const files = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' }).filter(
    // Scenarios are files for the command line, and no objects.
    (file) => file.endsWith('.yaml') && !file.endsWith('server.yaml') && !file.includes('scenarios'),
  );
  expect(files).toContain('orders/orders.yaml');
  await plane.kubectl(['create', 'namespace', 'clinic']);
  for (const file of files) {
    const args = ['apply', '--dry-run=server', '--validate=strict', '-n', 'clinic', '-f', join(root, 'examples', file)];
    expect(await plane.kubectl(args), file).toContain('created');
  }
});

describe('refused by the static checks, through the webhook', () => {
  let server: WebhookServer;
  beforeAll(async () => {
    const log = jsonLog({ name: 'test', level: 'silent' });
    const authority = newAuthority(Date.now());
    const serving = newServing(authority, ['127.0.0.1'], Date.now());
    server = await serveWebhook({ host: '127.0.0.1', port: 0, serving, namespaces: async () => ({}), log });
    const address = { kind: 'Url', host: '127.0.0.1', port: server.port } as const;
    const configuration = JSON.stringify(configurationOf(address, authority));
    await plane.kubectl(['apply', '--server-side', '-f', '-'], configuration);
    await webhookIsActive();
  });
  afterAll(async () => {
    await plane.kubectl(['delete', 'validatingwebhookconfiguration', configurationName]);
    await server?.close();
  });

  test.each(refusedByChecks)('$file', async (fixture) => {
    const lines = await refusal(fixture);
    const [first = ''] = lines;
    const [told = '', finding = ''] = first.split(' denied the request: ');
    expect(told).toMatch(/^The request is invalid: .*admission webhook "checks\.signalbox\.dev"$/);
    expect([finding, ...lines.slice(1)]).toEqual(fixture.refused);
  });
  test.each(warnedByChecks)('$file is admitted with a warning', async ({ manifest, warned }) => {
    const said = await plane.kubectlWarnings(['apply', '--dry-run=server', '-f', '-'], JSON.stringify(manifest));
    expect(said).toEqual(warned);
  });
  test.each(validFixtures())('$file is admitted', async ({ manifest }) => {
    await plane.kubectl(['apply', '--dry-run=server', '-f', '-'], JSON.stringify(manifest));
  });
});

async function webhookIsActive(): Promise<void> {
  const [fixture] = refusedByChecks;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (fixture !== undefined && (await refusal(fixture)).length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the webhook did not become active within 10 s');
}

test('a Decision stays: only its garbage collector and system:masters delete it', async () => {
  const decision = validFixtures().find(({ manifest }) => manifest.kind === 'Decision')?.manifest;
  await plane.kubectl(['create', '-f', '-'], JSON.stringify(decision));
  const remove = ['delete', 'decision', decision?.metadata.name ?? ''];
  await expect(plane.kubectl(['--as', 'alice', ...remove])).rejects.toThrow('a Decision cannot be deleted');
  const collector = 'system:serviceaccount:kube-system:generic-garbage-collector';
  await expect(plane.kubectl(['--as', collector, '--as-group', 'system:masters', ...remove])).resolves.toContain(
    'deleted',
  );
});

test('the fence of leadership: an absent or earlier epoch is refused, an equal or later one is not', async () => {
  const tool = validFixtures().find(({ file }) => file === 'tool-mcp.yaml')?.manifest;
  const write = (status: Readonly<Record<string, unknown>>) =>
    plane.kubectl(
      ['apply', '--server-side', '--force-conflicts', '--subresource=status', '-f', '-'],
      JSON.stringify({ ...tool, status }),
    );
  await plane.kubectl(['create', '-f', '-'], JSON.stringify(tool));
  await write({ observedGeneration: 1 });
  await write({ leaderEpoch: '999' });
  await write({ leaderEpoch: '1000', digest: 'sha256:1' });
  await write({ leaderEpoch: '1000', digest: 'sha256:2' });
  await expect(write({ leaderEpoch: '999' })).rejects.toThrow('status.leaderEpoch must be at least 1000, found 999');
  await expect(write({ digest: 'sha256:3' })).rejects.toThrow('status.leaderEpoch must be at least 1000, found none');
  await plane.kubectl(['delete', 'tool', tool?.metadata.name ?? '']);
});

describe('zod and the API server agree', () => {
  test.each(validFixtures())('on $file with one field changed', async ({ manifest }) => {
    const kind = kinds.find((one) => one.kind === manifest.kind);
    if (kind === undefined) throw new Error(`unknown kind ${manifest.kind}`);
    const variants = [...mutations(manifest.spec, objectSchema(kind).properties?.['spec'] ?? {}, 'spec')];
    expect(variants.length).toBeGreaterThan(3);
    const verdicts = await Promise.all(
      variants.map(async ({ what, value }) => {
        const zod = kind.spec.safeParse(value).success;
        const server = await dryRun(kind.plural, { ...manifest, spec: value as Manifest['spec'] });
        // Rules in CEL and admission policies are the server's alone: zod may accept what they refuse, never the other way.
        const byRule = zod && isRule(server.message);
        return zod === server.accepted || byRule ? [] : [`${what}: zod ${zod}, server: ${server.message}`];
      }),
    );
    expect(verdicts.flat()).toEqual([]);
  });
});

/** How the message of each rule begins: up to what it found. */
const ruleWords = kinds.flatMap((kind) =>
  [...rules(objectSchema(kind))].map(
    ({ message, messageExpression }) => /^'([^']*)'/.exec(messageExpression ?? '')?.[1] ?? message,
  ),
);
function isRule(message: string): boolean {
  return message.includes('ValidatingAdmissionPolicy') || ruleWords.some((words) => message.includes(words));
}

interface Variant {
  readonly what: string;
  readonly value: unknown;
}

/** The value with one part changed: a member left out, a wrong type, or a bound touched or passed. */
function* mutations(value: unknown, schema: Schema, what: string): Generator<Variant> {
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) {
    yield { what: `${what} = text`, value: 'text' };
    return;
  }
  if (Array.isArray(value)) {
    const [first] = value;
    for (const inner of mutations(first, schema.items ?? {}, `${what}[0]`)) {
      yield { what: inner.what, value: [inner.value, ...value.slice(1)] };
    }
    return;
  }
  if (typeof value === 'object' && value !== null) {
    yield* memberMutations(value as Readonly<Record<string, unknown>>, schema, what);
    return;
  }
  for (const other of scalarMutations(value, schema))
    yield { what: `${what} = ${JSON.stringify(other).slice(0, 40)}`, value: other };
}

function* memberMutations(value: Readonly<Record<string, unknown>>, schema: Schema, what: string): Generator<Variant> {
  for (const [name, member] of Object.entries(value)) {
    const { [name]: _, ...rest } = value;
    yield { what: `${what}.${name} left out`, value: rest };
    const child = schema.properties?.[name] ?? schema.additionalProperties ?? {};
    for (const inner of mutations(member, child, `${what}.${name}`)) {
      yield { what: inner.what, value: { ...value, [name]: inner.value } };
    }
  }
}

function* scalarMutations(value: unknown, schema: Schema): Generator<unknown> {
  yield typeof value === 'string' ? 7 : 'text';
  if (typeof value === 'string' && schema.enum === undefined) {
    yield '';
    yield 'É !';
    const { maxLength } = schema;
    if (typeof maxLength === 'number') {
      yield 'a'.repeat(maxLength);
      yield 'a'.repeat(maxLength + 1);
    }
  }
  if (schema.enum !== undefined) yield* ['Nonsense', ...schema.enum];
  if (typeof value !== 'number') return;
  yield 1.5;
  for (const bound of [schema['minimum'], schema['maximum']]) {
    if (typeof bound === 'number') yield* [bound - 1, bound, bound + 1];
  }
}

async function dryRun(
  plural: string,
  manifest: Manifest,
): Promise<{ readonly accepted: boolean; readonly message: string }> {
  const path = `/apis/${group}/${version}/namespaces/default/${plural}?dryRun=All&fieldValidation=Strict`;
  return new Promise((resolve, reject) => {
    const call = request(new URL(path, plane.kube.server), {
      method: 'POST',
      agent,
      timeout: 20_000,
      headers: { authorization: `Bearer ${plane.kube.token}`, 'content-type': 'application/json' },
    });
    call.on('response', (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (body += chunk));
      answer.on('end', () => {
        const accepted = answer.statusCode === 201;
        resolve({ accepted, message: accepted ? '' : (JSON.parse(body) as { readonly message: string }).message });
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 20 s')));
    call.on('error', reject);
    call.end(JSON.stringify(manifest));
  });
}
