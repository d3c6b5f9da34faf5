// How the command line reaches an engine, and what it says when it does not.
import { describe, expect, test } from 'vitest';
import { cliStage, listen, namespace, summary } from '../support/cli-stage.ts';

const stage = cliStage();
const { typed } = stage;

describe('how the engine is reached', () => {
  const address = `127.${100 + (process.pid % 100)}.7.9`;

  test('on this machine: at the address of its ready pod', async () => {
    const beside = await listen(stage.engine.app, address, 8080);
    try {
      const labels = { 'app.kubernetes.io/component': 'engine' };
      const spec = { containers: [{ name: 'engine', image: 'signalbox' }] };
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'engine', namespace: 'signalbox-system', labels },
        spec,
      };
      await stage.plane.kubectl(['apply', '-f', '-'], JSON.stringify(pod));
      const early = await typed(['runs', '-n', namespace]);
      expect([early.code, early.error.replaceAll(/\s+/g, ' ')]).toEqual([
        1,
        'error: no engine is ready in namespace signalbox-system try: signalbox status, then signalbox logs engine --tail 20 ',
      ]);
      const status = {
        phase: 'Running',
        podIP: address,
        podIPs: [{ ip: address }],
        conditions: [{ type: 'Ready', status: 'True' }],
      };
      await stage.plane.kubectl([
        'patch',
        'pod',
        'engine',
        '-n',
        'signalbox-system',
        '--subresource=status',
        '--type=merge',
        '-p',
        JSON.stringify({ status }),
      ]);
      stage.engine.runs.set('b', summary({ run: 'b' }));
      expect(await typed(['runs', '-n', namespace, '-o', 'name'])).toEqual({ code: 0, out: 'b\n', error: '' });
    } finally {
      beside.close();
    }
  });

  // A pod with an address of its own network is reached through the API server. Nothing is sent to that address here: that
  // the API server knows no such Service shows that it was asked.
  test('elsewhere: through the API server', async () => {
    const at = ['-n', 'signalbox-system'];
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'signalbox-system', name: 'engine', labels: { 'app.kubernetes.io/component': 'engine' } },
      spec: { containers: [{ name: 'engine', image: 'signalbox' }] },
    };
    const podIP = '192.0.2.1';
    const conditions = [{ type: 'Ready', status: 'True' }];
    await stage.plane.kubectl(['delete', 'pod', 'engine', ...at, '--force', '--ignore-not-found']);
    await stage.plane.kubectl(['apply', '-f', '-'], JSON.stringify(pod));
    const status = JSON.stringify({ status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions } });
    await stage.plane.kubectl(['patch', 'pod', 'engine', ...at, '--subresource=status', '--type=merge', '-p', status]);
    const { code, error } = await typed(['runs', '-n', namespace]);
    expect([code, error]).toEqual([3, 'error: services "signalbox-engine" not found\n']);
  });

  test('a wrong token is refused with 4', async () => {
    const { code, error } = await typed(['runs', '-n', namespace, '--server', stage.engine.url], { token: 'wrong' });
    expect([code, error]).toEqual([4, 'error: no valid credentials came with the request\ntry: kubectl auth whoami\n']);
  });

  test('nobody there ends with 1 and the address', async () => {
    const { code, error } = await typed(['runs', '--server', 'http://127.0.0.1:9']);
    expect(code).toBe(1);
    expect(error).toContain('the engine at http://127.0.0.1:9 cannot be reached');
  });

  test('a token never travels in the clear to another machine', async () => {
    const { code, error } = await typed(['runs', '--server', 'http://engine.example.com']);
    expect([code, error.replaceAll(/\s+/g, ' ')]).toEqual([
      2,
      'error: http://engine.example.com is not encrypted: your token would be readable on its way try: use an https URL, or name the token yourself with --token if you accept that ',
    ]);
  });
});
