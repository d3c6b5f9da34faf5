// Owns: the limit: five appends with compare-and-set and fsync, made by the driver itself. No engine, no worker, no recovery.
import { connectNats } from '../../adapters/nats/nats.ts';
import { control, startNats } from './nats.ts';
import { type Peer, resultBytes, stepsOfRun } from './peer.ts';

export const jetstreamPeer: Peer = {
  name: 'jetstream',
  durability: 'nats-server, file stream with one replica, sync_interval always: fsync before each acknowledgement',
  async start(folder) {
    const nats = await startNats(folder);
    const bus = await connectNats({ url: nats.url, ...control, name: 'bench' });
    await bus.manager.streams.add({ name: 'FIVE', subjects: ['five.*'], max_bytes: 1_000_000_000 });
    const payload = new Uint8Array(resultBytes + 100).fill(120);
    let runs = 0;
    return {
      versions: `nats-server ${nats.version}`,
      pids: () => ({ server: [nats.server.pid], worker: [] }),
      async run() {
        const subject = `five.${(runs += 1)}`;
        let last = 0;
        for (let step = 1; step <= stepsOfRun; step += 1) {
          last = (await bus.jetstream.publish(subject, payload, { expect: { lastSubjectSequence: last } })).seq;
        }
      },
      durableWrites: nats.stored,
      async stop() {
        await bus.close();
        await nats.server.kill();
      },
    };
  },
};
