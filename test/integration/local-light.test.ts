import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '@nats-io/transport-node';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveAssets } from '../../local/api.ts';
import { assertDurable, readNatsSync } from '../../local/plane/nats-config.ts';
import { freePorts } from '../../local/plane/ports.ts';
import { startPlane, type TestPlane } from '../support/plane.ts';

let plane: TestPlane;
beforeAll(async () => {
  plane = await startPlane();
});
afterAll(async () => {
  await plane?.stop();
});

test('the light plane answers kubectl with the token of its kubeconfig', async () => {
  expect(await plane.kubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'])).toBe('admin');
  expect(await plane.kubectl(['get', 'namespaces', '-o', 'name'])).toContain('namespace/default');
});

test('each static NATS user gets in, with JetStream in CONTROL and WORK', async () => {
  for (const { user, password } of Object.values(plane.nats.users)) {
    const connection = await connect({ servers: plane.nats.natsUrl, user, pass: password });
    expect(connection.info?.jetstream ?? false).toBe(true);
    await connection.close();
  }
});

test('a server that does not fsync before it acknowledges is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-sync-'));
  const [client, monitor] = await freePorts(2);
  const { 'nats-server': program } = await resolveAssets(() => undefined);
  const start = async (sync: string): Promise<ChildProcess> => {
    const config = `listen: "127.0.0.1:${client}"\nhttp: "127.0.0.1:${monitor}"\njetstream { store_dir: "${folder}"${sync} }\n`;
    await writeFile(join(folder, 'nats.conf'), config);
    const child = spawn(program, ['--config', join(folder, 'nats.conf')], { stdio: 'ignore' });
    await expect.poll(() => readNatsSync(`http://127.0.0.1:${monitor}`).catch(() => null)).not.toBeNull();
    return child;
  };
  const url = `http://127.0.0.1:${monitor}`;
  const byDefault = await start('');
  await expect(assertDurable(url)).rejects.toMatchObject({ code: 'BUS_NOT_DURABLE' });
  byDefault.kill('SIGKILL');
  await once(byDefault, 'exit');
  const always = await start(', sync_interval: always');
  await expect(assertDurable(url)).resolves.toBeUndefined();
  always.kill('SIGKILL');
  await once(always, 'exit');
  await rm(folder, { recursive: true });
});
