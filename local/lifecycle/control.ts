// Owns: the small HTTP door of the supervising process: status, fault, Service look-up, stop. Loopback, bearer token from
// a file only the owner can read.
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { request } from 'undici';
import { SignalboxError, errorCodes, isSignalboxError, type ErrorCode } from '../../api/errors.ts';
import type { InstancePaths } from '../plane/paths.ts';
import { keyFiles, readRecord, readSecrets, type InstanceRecord } from '../plane/record.ts';
import { existsSync } from 'node:fs';
import { isAlive } from '../plane/identity.ts';

/** One verb of the door: the JSON body of the call in, a JSON value out. */
export type Verb = (body: Readonly<Record<string, unknown>>) => Promise<unknown>;

const bodyBytesMax = 64 * 1024;
const callTimeoutMs = 15_000;

export function startControl(port: number, token: string, verbs: Readonly<Record<string, Verb>>): Promise<Server> {
  const server = createServer((message, response) => {
    answer(message, token, verbs).then(
      ({ status, value }) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value)),
      (error: Error) => response.writeHead(500).end(JSON.stringify({ code: 'PLANE_FAILED', message: error.message })),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(server));
  });
}

async function answer(
  message: IncomingMessage,
  token: string,
  verbs: Readonly<Record<string, Verb>>,
): Promise<{ readonly status: number; readonly value: unknown }> {
  const given = Buffer.from(message.headers.authorization ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    return { status: 401, value: { code: 'UNAUTHENTICATED', message: 'wrong token' } };
  }
  const verb = Object.hasOwn(verbs, message.url?.slice(1) ?? '') ? verbs[message.url?.slice(1) ?? ''] : undefined;
  if (verb === undefined) return { status: 404, value: { code: 'NOT_FOUND', message: `no verb ${message.url}` } };
  try {
    return { status: 200, value: await verb(await readBody(message)) };
  } catch (error) {
    if (!isSignalboxError(error)) throw error;
    return { status: 422, value: { code: error.code, message: error.message } };
  }
}

async function readBody(message: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  let text = '';
  for await (const chunk of message as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8');
    if (text.length > bodyBytesMax) throw new SignalboxError('INVALID_INPUT', 'the request is too large');
  }
  return text === '' ? {} : (JSON.parse(text) as Readonly<Record<string, unknown>>);
}

/** The record of an instance whose supervising process is alive, else undefined. */
export async function runningRecord(paths: InstancePaths): Promise<InstanceRecord | undefined> {
  const record = await readRecord(paths);
  return record?.supervisor !== undefined && isAlive(record.supervisor) ? record : undefined;
}

/** Asks the supervising process; NOT_FOUND when there is none. */
export async function callControl<T>(paths: InstancePaths, verb: string, body: unknown = {}): Promise<T> {
  const record = await runningRecord(paths);
  if (record === undefined) throw notRunning(paths);
  const { controlToken } = await readSecrets(paths);
  const reply = await request(`http://127.0.0.1:${record.ports.control}/${verb}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${controlToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    headersTimeout: callTimeoutMs,
    bodyTimeout: callTimeoutMs,
  });
  const value = (await reply.body.json()) as T & { readonly code?: string; readonly message?: string };
  if (reply.statusCode === 200) return value;
  const code = Object.hasOwn(errorCodes, value.code ?? '') ? (value.code as ErrorCode) : 'PLANE_FAILED';
  throw new SignalboxError(code, value.message ?? `the supervising process answered ${reply.statusCode}`);
}

export function notRunning(paths: InstancePaths): SignalboxError {
  const kept = existsSync(keyFiles(paths).secrets) ? 'is stopped' : 'does not exist';
  const name = paths.name === 'default' ? '' : ` --name ${paths.name}`;
  return new SignalboxError('NOT_FOUND', `The instance "${paths.name}" ${kept}. Start it with: signalbox up${name}`);
}
