// Each process is killed once with SIGKILL while runs are in flight: the demo still ends well and nothing happens twice.
import { describe, expect, test } from 'vitest';
import { runDemo } from './run-demo.ts';

describe('SIGKILL in the middle of the demo', () => {
  test.each(['engine', 'operator', 'gateway', 'worker', 'nats-server', 'apiserver', 'etcd', 'kcm'])(
    '%s',
    async (role) => {
      const { code, output, result } = await runDemo('--kill', role);
      expect(code, output).toBe(0);
      expect(output).toMatch(/SIGKILL for/);
      expect(result, output).toMatchObject({ ok: true, agentsReady: 7 });
      expect(result?.runs.map((run) => run.duplicates)).toEqual(result?.runs.map(() => 0));
    },
    300_000,
  );
});
