import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '@nats-io/transport-node';
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
