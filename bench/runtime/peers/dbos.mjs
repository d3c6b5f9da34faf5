// Owns: DBOS on PostgreSQL. Run by itself this file is its worker: an application with DBOS inside, asked over HTTP.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(import.meta.url);
const isWorker = process.argv[1] === file;
// The worker has no use for these, and starts sooner without.
const { freePorts, start, until } = isWorker ? {} : await import('../spawned.ts');
const { Pool } = isWorker ? {} : await import('undici');
const debian = '/usr/lib/postgresql';

function postgresFolder() {
  const versions = existsSync(debian) ? readdirSync(debian).toSorted().reverse() : [];
  const found = versions.map((version) => join(debian, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
  if (found !== undefined) return found;
  throw new Error('PostgreSQL is missing: install the Debian package postgresql (apt-get install postgresql)');
}

export const peer = {
  name: 'dbos',
  durability: 'PostgreSQL with its defaults: fsync=on, synchronous_commit=on',
  async start(folder) {
    const { server, sql, database, versions } = await startPostgres(folder);
    const [workerPort] = (await freePorts(1)).map(String);
    const env = { DATABASE: database, PORT: workerPort, DBOS__APPVERSION: 'bench', DBOS__VMID: 'bench' };
    const startWorker = async () => {
      const worker = start(process.execPath, [file], { cwd: folder, env });
      await worker.says('serving');
      return worker;
    };
    let worker = await startWorker();
    const pool = new Pool(`http://127.0.0.1:${workerPort}`, { connections: 256, headersTimeout: 600_000 });
    const post = async (path) => {
      const answer = await pool.request({ path, method: 'POST' });
      const text = await answer.body.text();
      if (answer.statusCode >= 300) throw new Error(`DBOS answered ${answer.statusCode}: ${text.slice(0, 500)}`);
      return JSON.parse(text);
    };
    let runs = 0;
    return {
      versions,
      pids: () => ({ server: [server.pid], worker: [worker.pid] }),
      async run(slowMs) {
        const id = `run-${process.pid}-${(runs += 1)}`;
        const results = await post(`/five/${id}/${slowMs}`).catch(async (error) => {
          if (slowMs === 0) throw error;
          // The worker was killed: its successor goes on with the run.
          let found;
          await until('the result of a recovered run', async () => (found = await post(`/result/${id}`)) !== undefined);
          return found;
        });
        if (results.length !== 5) throw new Error(`DBOS came to ${results.length} results instead of 5`);
      },
      async replaceWorker() {
        await worker.kill();
        worker = await startWorker();
      },
      startWaiting: async () => void (await post(`/waits/waiting-${process.pid}-${(runs += 1)}`)),
      waiting: async () => Number(sql("select count(*) from dbos.workflow_status where status = 'PENDING'", 'bench')),
      async stop() {
        await pool.destroy();
        await worker.kill();
        await server.kill('SIGINT');
      },
    };
  },
};

async function startPostgres(folder) {
  const bin = postgresFolder();
  const [port] = (await freePorts(1)).map(String);
  const data = join(folder, 'postgres');
  mkdirSync(data);
  // PostgreSQL refuses to run as root.
  const isRoot = process.getuid() === 0;
  const uid = isRoot ? Number(execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' })) : process.getuid();
  if (isRoot) {
    chmodSync(folder, 0o711);
    chownSync(data, uid, uid);
  }
  const as = isRoot ? { uid, gid: uid } : {};
  const settings = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8'];
  execFileSync(join(bin, 'initdb'), ['-D', data, ...settings], { ...as, cwd: '/', stdio: 'ignore' });
  const listening = ['-p', port, '-h', '127.0.0.1', '-c', `unix_socket_directories=${data}`];
  const server = start(join(bin, 'postgres'), ['-D', data, ...listening], { cwd: '/', ...(isRoot ? { uid } : {}) });
  const to = ['-h', '127.0.0.1', '-p', port, '-U', 'postgres', '-Atc'];
  const sql = (text, database) =>
    execFileSync(join(bin, 'psql'), [...to, text, database], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  await until('PostgreSQL', async () => sql('select 1', 'postgres') === '1');
  sql('create database bench', 'postgres');
  const { version } = JSON.parse(
    readFileSync(new URL('node_modules/@dbos-inc/dbos-sdk/package.json', import.meta.url)),
  );
  const versions = `SDK ${version}, PostgreSQL ${sql('show server_version', 'postgres')}`;
  return { server, sql, database: `postgresql://postgres@127.0.0.1:${port}/bench`, versions };
}

async function serve() {
  const { createServer } = await import('node:http');
  const { DBOS } = await import('@dbos-inc/dbos-sdk');
  const { noop } = await import('./noop.mjs');
  const five = DBOS.registerWorkflow(
    async (slowMs) => {
      const results = [];
      for (let step = 1; step <= 5; step += 1) {
        results.push(await DBOS.runStep(() => noop(step, step === 3 ? slowMs : 0), { name: `step-${step}` }));
      }
      return results;
    },
    { name: 'five' },
  );
  const waits = DBOS.registerWorkflow(
    async () => {
      await DBOS.runStep(() => noop(1, 0), { name: 'step-1' });
      return DBOS.recv('go', 86_400);
    },
    { name: 'waits' },
  );
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: process.env.DATABASE, logLevel: 'error', runAdminServer: false });
  await DBOS.launch();
  const answer = async ([, verb, id, slowMs]) => {
    if (verb === 'five') return (await DBOS.startWorkflow(five, { workflowID: id })(Number(slowMs))).getResult();
    if (verb === 'result') return DBOS.retrieveWorkflow(id).getResult();
    await DBOS.startWorkflow(waits, { workflowID: id })();
    return {};
  };
  createServer((request, response) => {
    answer(request.url.split('/')).then(
      (body) => response.end(JSON.stringify(body)),
      (error) => response.writeHead(500).end(String(error)),
    );
  }).listen(Number(process.env.PORT), '127.0.0.1', () => process.stdout.write('serving\n'));
}

if (isWorker) await serve();
