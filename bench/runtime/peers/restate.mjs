// Owns: Restate. Run by itself this file is its worker: one service over HTTP/2, as its SDK serves it.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(import.meta.url);
const isWorker = process.argv[1] === file;
// The worker has no use for these, and starts sooner without.
const { freePorts, start, until } = isWorker ? {} : await import('../spawned.ts');
const { Pool, request } = isWorker ? {} : await import('undici');
const require = createRequire(import.meta.url);
const version = (name) => require(`${name}/package.json`).version;
const nodeName = `bench-${process.pid}`;

export const peer = {
  name: 'restate',
  durability: 'one node, defaults: replicated log with one replica, RocksDB WAL with fsync before each acknowledgement',
  async start(folder) {
    const [fabric, ingress, admin, workerPort] = (await freePorts(4)).map(String);
    const server = startServer(folder, { fabric, ingress, admin });
    const startWorker = async () => {
      const worker = start(process.execPath, [file, workerPort], { cwd: folder });
      await worker.says('serving');
      return worker;
    };
    let worker = await startWorker();
    const adminUrl = `http://127.0.0.1:${admin}`;
    await until('the admin API of Restate', async () => (await request(`${adminUrl}/health`)).statusCode === 200);
    await post(adminUrl, '/deployments', { uri: `http://127.0.0.1:${workerPort}` });
    const dispatcher = new Pool(`http://127.0.0.1:${ingress}`, { connections: 256, headersTimeout: 600_000 });
    const ask = (path, body) => post(`http://127.0.0.1:${ingress}`, path, body, dispatcher);
    const open = "select count(*) as n from sys_invocation where status <> 'completed'";
    return {
      versions: `server ${version('@restatedev/restate-server')}, SDK ${version('@restatedev/restate-sdk')}`,
      pids: () => ({ server: [server.pid], worker: [worker.pid] }),
      async run(slowMs) {
        const results = await ask('/bench/five', { slowMs });
        if (results.length !== 5) throw new Error(`Restate came to ${results.length} results instead of 5`);
      },
      async replaceWorker() {
        await worker.kill();
        worker = await startWorker();
      },
      startWaiting: async () => void (await ask('/bench/waits/send', {})),
      waiting: async () => Number((await post(adminUrl, '/query', { query: open })).rows[0].n),
      async stop() {
        await dispatcher.destroy();
        await worker.kill();
        await server.kill();
      },
    };
  },
};

function startServer(folder, { fabric, ingress, admin }) {
  const binary = require.resolve('@restatedev/restate-server-linux-x64/bin/restate-server');
  const settings = ['--node-name', nodeName, '--listen-mode', 'tcp', '--bind-ip', '127.0.0.1', '--no-logo'];
  return start(binary, ['--base-dir', folder, ...settings], {
    cwd: folder,
    env: {
      RESTATE_BIND_PORT: fabric,
      RESTATE_INGRESS__BIND_PORT: ingress,
      RESTATE_ADMIN__BIND_PORT: admin,
      RESTATE_DISABLE_TELEMETRY: 'true',
    },
  });
}

async function post(origin, path, body, dispatcher) {
  const answer = await request(`${origin}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
    ...(dispatcher === undefined ? {} : { dispatcher }),
  });
  const text = await answer.body.text();
  if (answer.statusCode >= 300) throw new Error(`Restate answered ${answer.statusCode}: ${text.slice(0, 500)}`);
  return JSON.parse(text);
}

async function serve(port) {
  const restate = await import('@restatedev/restate-sdk');
  const { noop } = await import('./noop.mjs');
  const five = async (ctx, { slowMs }) => {
    const results = [];
    for (let step = 1; step <= 5; step += 1) {
      results.push(await ctx.run(`step-${step}`, () => noop(step, step === 3 ? slowMs : 0)));
    }
    return results;
  };
  const waits = async (ctx) => {
    await ctx.run('step-1', () => noop(1, 0));
    const { promise } = ctx.awakeable();
    return promise;
  };
  const bench = restate.service({ name: 'bench', handlers: { five, waits } });
  await restate.serve({ services: [bench], port });
  process.stdout.write('serving\n');
}

if (isWorker) await serve(Number(process.argv[2]));
