// Measures what each durability profile costs: one publish with compare-and-set at a time, and 200 in flight. Node and NATS on one
// machine, over loopback. `node bench/durability/main.ts`
import { cpus } from 'node:os';
import { jetstream } from '@nats-io/jetstream';
import { connectNats, natsBusAdmin, type NatsBus } from '../../adapters/nats/nats.ts';
import { startNats } from '../../test/support/nats.ts';
import { startNatsCluster } from '../../test/support/nats-cluster.ts';

const alone = 1_000;
const many = 5_000;
const inFlight = 200;
const payload = new Uint8Array(400).fill(120);

interface Server {
  readonly url: string | readonly string[];
  readonly control: { readonly user: string; readonly password: string };
  readonly work: { readonly user: string; readonly password: string };
  stop(): Promise<void>;
}

async function measure(name: string, server: Server, replicas: number): Promise<object> {
  const control = await connectNats({ url: server.url, ...server.control, name: 'bench', replicas });
  const work = await connectNats({ url: server.url, ...server.work, name: 'bench' });
  await natsBusAdmin({ control, work, journalBytesMax: 200_000_000, ledgerBytesMax: 10_000_000 }).ensureStreams(1);
  const times = await oneAtATime(control);
  const rate = await together(control);
  await Promise.all([control.close(), work.close()]);
  await server.stop();
  const at = (share: number): number => round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0);
  return { profile: name, p50Ms: at(0.5), p99Ms: at(0.99), perSecond200: Math.round(rate) };
}

async function oneAtATime(bus: NatsBus): Promise<readonly number[]> {
  const js = jetstream(bus.connection);
  const times: number[] = [];
  let last = 0;
  for (let n = 0; n < alone; n += 1) {
    const began = performance.now();
    last = (await js.publish('journal.0', payload, { expect: { lastSequence: last } })).seq;
    times.push(performance.now() - began);
  }
  return times.toSorted((left, right) => left - right);
}

async function together(bus: NatsBus): Promise<number> {
  const js = jetstream(bus.connection);
  const began = performance.now();
  let left = many;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await js.publish('journal.0', payload);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return many / ((performance.now() - began) / 1_000);
}

const round = (ms: number): number => Math.round(ms * 100) / 100;

const single = async (): Promise<Server> => startNats();
const cluster = async (sync: 'always' | '2m'): Promise<Server> => {
  const started = await startNatsCluster(sync);
  return { ...started, url: started.urls };
};

process.stdout.write(
  `${cpus()[0]?.model ?? 'unknown'} × ${cpus().length}, Node ${process.version}, all on one machine\n`,
);
const rows = [
  await measure('disk, one server (always)', await single(), 1),
  await measure('disk, three servers (always)', await cluster('always'), 3),
  await measure('replicated, three servers (2m)', await cluster('2m'), 3),
];
process.stdout.write(`${JSON.stringify(rows)}\n`);
