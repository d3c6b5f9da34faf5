// Owns: the one part of a kubelet's own API that people use through kubectl: container logs. Only the API server gets in,
// by a client certificate of the instance's authority.
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readFile } from 'node:fs/promises';
import { isSignalboxError } from '../../api/errors.ts';
import type { InstancePaths } from '../plane/paths.ts';
import { keyFiles } from '../plane/record.ts';
import { logs } from './logs.ts';

/** The port every kubelet has; the address is the instance's own. */
export const kubeletPort = 10_250;

export async function startKubeletDoor(host: string, paths: InstancePaths): Promise<Server> {
  const files = keyFiles(paths);
  const server = createServer(
    {
      cert: await readFile(files.apiserverCertificate),
      key: await readFile(files.apiserverKey),
      ca: await readFile(files.ca),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (message, response) => void answer(message, response, paths),
  );
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: kubeletPort, exclusive: true }, () => resolve(server));
  });
}

async function answer(message: IncomingMessage, response: ServerResponse, paths: InstancePaths): Promise<void> {
  const url = new URL(message.url ?? '/', 'https://local');
  const [verb, namespace, pod, container] = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  if (verb !== 'containerLogs' || namespace === undefined || pod === undefined || container === undefined) {
    response.writeHead(501).end('the local node has logs only: no exec, attach or port-forward\n');
    return;
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const tailLines = url.searchParams.get('tailLines');
  const found = logs({
    name: paths.name,
    stateDir: paths.root,
    namespace,
    pod,
    container,
    follow: url.searchParams.get('follow') === 'true',
    ...(tailLines === null ? {} : { tail: Number(tailLines) }),
    signal: gone.signal,
  });
  try {
    for await (const line of found) {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      response.write(`${line}\n`);
    }
    response.end();
  } catch (error) {
    if (response.headersSent) response.destroy();
    else response.writeHead(isSignalboxError(error, 'NOT_FOUND') ? 404 : 500).end(String(error));
  }
}
