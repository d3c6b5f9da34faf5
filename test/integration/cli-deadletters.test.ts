// The verb `deadletters` on a real engine and nats-server, over its HTTP API.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DeadLetter } from '../../api/messages/dead-letter.ts';
import { run } from '../../cli/program.ts';
import { engineApi } from '../../runtime/engine/http/api.ts';
import type { EnginePorts } from '../../runtime/engine/ports.ts';
import { EngineStage, namespace } from '../support/engine-stage.ts';
import { testHost } from '../support/cli-host.ts';

let stage: EngineStage;
let ports: EnginePorts;
let server: Server;
let flags: readonly string[];

beforeAll(async () => {
  stage = await EngineStage.start();
  const started = await stage.engine();
  ({ ports } = started);
  server = createServer(engineApi({ ...started, callers: { admit: () => Promise.resolve('ann') } }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  flags = ['-n', namespace, '--server', url, '--token', 'a-token'];
});

afterAll(async () => {
  await new Promise((resolve) => server?.close(resolve));
  await stage?.stop();
});

async function signalbox(...words: readonly string[]): Promise<{ code: number; out: string; error: string }> {
  const { host, out, error } = testHost({ columns: 100 });
  const code = await run(host, ['deadletters', ...words, ...flags]);
  return { code, out: out(), error: error() };
}

const note = (item: string): Promise<DeadLetter> =>
  ports.deadLetters.note(
    {
      namespace,
      reason: 'failing',
      origin: { kind: 'event', name: 'calls.received', item, workflow: 'visit' },
      cause: { code: 'NOT_FOUND', message: 'agent clerk is not ready' },
      attempts: 8,
    },
    { id: item, namespace, subject: 'calls.received', key: '', payload: { name: 'planted-secret' } },
  );

test('nothing given up: says so, and what to type', async () => {
  const { code, out, error } = await signalbox('list');
  expect({ code, out }).toEqual({ code: 0, out: '' });
  expect(error).toMatch(/^No dead letters in namespace clinic\.\nnext: signalbox runs -n clinic/);
});

test('list, show, retry and drop; what was carried is never shown', async () => {
  const [one, two] = [await note('e1'), await note('e2')];
  const list = await signalbox('list');
  expect(list.out).toMatch(/^LETTER +REASON +ORIGIN +TRIES +LAST +CAUSE +STATE\n/);
  expect(list.out).toMatch(new RegExp(`${one.id} +failing +event calls.received +8 `));
  const names = await signalbox('list', '-o', 'name');
  expect(names.out.trim().split('\n').toSorted()).toEqual([one.id, two.id].toSorted());
  const json = await signalbox('list', '--reason', 'failing', '-o', 'json');
  expect((JSON.parse(json.out) as { items: DeadLetter[] }).items).toHaveLength(2);

  const show = await signalbox('show', one.id);
  expect(show.out).toContain('cause     NOT_FOUND: agent clerk is not ready');
  expect(show.error).toContain(`next: signalbox deadletters retry ${one.id} -n clinic --reason "…"`);
  expect(list.out + json.out + show.out).not.toContain('planted-secret');

  const retried = await signalbox('retry', one.id, '--reason', 'agent is back');
  expect(retried).toMatchObject({ code: 0, out: `Letter ${one.id} is tried again.\n` });
  const careless = await signalbox('drop', two.id, '--reason', 'sent twice');
  expect(careless.code).not.toBe(0);
  expect(careless.error).toContain('nothing is dropped without --yes');
  const dropped = await signalbox('drop', two.id, '--reason', 'sent twice', '--yes', '-o', 'json');
  expect(JSON.parse(dropped.out)).toMatchObject({ state: 'Dropped', decided: { by: 'ann', reason: 'sent twice' } });

  expect((await signalbox('list', '-o', 'name')).out).toBe('');
  const all = await signalbox('list', '--all', '-o', 'json');
  const states = (JSON.parse(all.out) as { items: DeadLetter[] }).items.map(({ state }) => state);
  expect(states.toSorted()).toEqual(['Dropped', 'Retried']);
});

test.each([
  [['show', '0123456789abcdef0123'], 'has no dead letter 0123456789abcdef0123'],
  [['show', 'nonsense'], 'must be the id of a dead letter'],
  [['retry', '0123456789abcdef0123', '--reason', ' '], '--reason must say why'],
  [['list', '--reason', 'odd'], 'Allowed choices are malformed, failing, poison, unstartable, unwritable'],
])('%j is refused with %s', async (words, message) => {
  const { code, error } = await signalbox(...words);
  expect(code).not.toBe(0);
  expect(error).toContain(message);
});
