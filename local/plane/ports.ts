// Owns: choosing TCP ports for a new instance. Chosen once and kept, so that clients survive a restart of any server.
//
// Below the kernel's ephemeral range (32768 up by default), so that no outgoing connection takes one meanwhile.
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { SignalboxError } from '../../api/errors.ts';

const lowest = 20_000;
const highest = 32_000;
const triesMax = 200;
/** The last that this process was given: they may not be bound yet. */
const given = new Set<number>();
const givenMax = 1_000;

export async function canBind(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** `count` different free ports on 127.0.0.1, none of them among the last that this process was given. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const chosen = new Set<number>();
  for (let attempt = 0; attempt < triesMax && chosen.size < count; attempt += 1) {
    const port = randomInt(lowest, highest);
    if (given.has(port)) continue;
    given.add(port);
    const [oldest = port] = given;
    if (given.size > givenMax) given.delete(oldest);
    if (await canBind('127.0.0.1', port)) chosen.add(port);
  }
  if (chosen.size < count) {
    throw new SignalboxError('PLANE_FAILED', `No ${count} free ports between ${lowest} and ${highest} on 127.0.0.1.`);
  }
  return [...chosen];
}
