// Owns: Temporal's development server on a SQLite file. Run by itself this file is its worker.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(import.meta.url);
const isWorker = process.argv[1] === file;
// The worker has no use for these, and starts sooner without.
const { freePorts, start, until } = isWorker ? {} : await import('../spawned.ts');

export const peer = {
  name: 'temporal',
  durability: 'start-dev with a SQLite file, defaults: rollback journal, synchronous=FULL, fsync in each transaction',
  async start(folder) {
    const { server, address, connection, client, versions } = await startServer(folder);
    const startWorker = async () => {
      const worker = start(process.execPath, [file, address], { cwd: folder });
      await worker.says('serving');
      return worker;
    };
    let worker = await startWorker();
    let runs = 0;
    const options = (args) => ({ taskQueue: 'bench', workflowId: `run-${process.pid}-${(runs += 1)}`, args });
    return {
      versions,
      pids: () => ({ server: [server.pid], worker: [worker.pid] }),
      async run(slowMs) {
        const results = await client.workflow.execute('five', options([slowMs]));
        if (results.length !== 5) throw new Error(`Temporal came to ${results.length} results instead of 5`);
      },
      async replaceWorker() {
        await worker.kill();
        worker = await startWorker();
      },
      startWaiting: async () => void (await client.workflow.start('waits', options([]))),
      waiting: async () => (await client.workflow.count("ExecutionStatus = 'Running'")).count,
      async stop() {
        await connection.close();
        await worker.kill();
        await server.kill('SIGTERM');
      },
    };
  },
};

async function startServer(folder) {
  const { Client, Connection } = await import('@temporalio/client');
  const { temporalBinary } = await import('../temporal-binary.ts');
  const binary = await temporalBinary();
  const sdk = createRequire(import.meta.url)('@temporalio/client/package.json').version;
  const [port, http, metrics] = (await freePorts(3)).map(String);
  const ports = ['--port', port, '--http-port', http, '--metrics-port', metrics];
  const settings = [
    '--headless',
    '--ip',
    '127.0.0.1',
    '--db-filename',
    join(folder, 'temporal.db'),
    '--log-level',
    'error',
  ];
  const server = start(binary.path, ['server', 'start-dev', ...ports, ...settings], { cwd: folder });
  const address = `127.0.0.1:${port}`;
  let connection;
  await until('the Temporal server', async () => {
    connection = await Connection.connect({ address });
    return true;
  });
  const versions = `CLI ${binary.version}, SDK ${sdk}`;
  return { server, address, connection, client: new Client({ connection }), versions };
}

async function serve(address) {
  const { NativeConnection, Runtime, Worker } = await import('@temporalio/worker');
  const { noop } = await import('./noop.mjs');
  const { Context } = await import('@temporalio/activity');
  Runtime.install({ logger: { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} } });
  const connection = await NativeConnection.connect({ address });
  const activities = {
    async noop(step, ms) {
      const beat = ms > 0 ? setInterval(() => Context.current().heartbeat(), 500) : undefined;
      try {
        return await noop(step, ms);
      } finally {
        clearInterval(beat);
      }
    },
  };
  const workflowsPath = fileURLToPath(new URL('temporal-workflow.mjs', import.meta.url));
  const worker = await Worker.create({ connection, taskQueue: 'bench', workflowsPath, activities });
  const running = worker.run();
  process.stdout.write('serving\n');
  await running;
}

if (isWorker) await serve(process.argv[2]);
