import { afterEach, describe, expect, test } from 'vitest';
import { SignalboxError } from '../../api/errors.ts';
import { systemClock } from './clock.ts';
import { serveHealth } from './http-health.ts';
import type { HealthServer } from './http-health.ts';
import { systemIds } from './ids.ts';
import { jsonLog } from './log.ts';
import { promMetrics } from './metrics.ts';

describe('the clock', () => {
  test('a sleep ends with its signal, also one that fired before', async () => {
    const clock = systemClock();
    const stop = new AbortController();
    const sleeping = clock.sleep(60_000, stop.signal);
    stop.abort(new Error('enough'));
    await expect(sleeping).rejects.toThrow('enough');
    await expect(clock.sleep(1, stop.signal)).rejects.toThrow('enough');
    await clock.sleep(1);
  });
});

describe('ids', () => {
  test('are 22 letters and digits, and differ', () => {
    const ids = systemIds();
    const made = new Set(Array.from({ length: 1_000 }, () => ids.random()));
    expect(made.size).toBe(1_000);
    for (const id of made) expect(id).toMatch(/^[0-9A-Za-z]{22}$/);
  });
});

describe('the log', () => {
  const capture = (level?: string) => {
    const lines: Record<string, unknown>[] = [];
    const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
    return { lines, log: jsonLog({ name: 'engine', destination, ...(level === undefined ? {} : { level }) }) };
  };

  test('writes one object a line, and children add fields', () => {
    const { lines, log } = capture('info');
    log.child({ run: 'r1' }).info('run started', { state: 'book' });
    log.debug('not this');
    expect(lines).toMatchObject([
      { level: 'info', process: 'engine', run: 'r1', state: 'book', message: 'run started' },
    ]);
    expect(lines).toHaveLength(1);
  });

  test('never shows a field that holds a secret', () => {
    const { lines, log } = capture('info');
    log.info('call', { token: 'planted', headers: { authorization: 'planted' }, a: { b: { apiKey: 'planted' } } });
    expect(JSON.stringify(lines)).not.toContain('planted');
  });

  test('keeps the code, the fields and the causes of an error', () => {
    const { lines, log } = capture('info');
    const cause = new Error('refused');
    log.error('write failed', { error: new SignalboxError('KUBE_INVALID', 'bad', { cause, fields: { status: 422 } }) });
    expect(lines[0]?.['error']).toMatchObject({
      code: 'KUBE_INVALID',
      fields: { status: 422 },
      cause: { message: 'refused' },
    });
  });

  test('an unknown level is said, and read as info', () => {
    const { lines } = capture('loud');
    expect(lines[0]).toMatchObject({ level: 'warn', found: 'loud', allowed: 'debug, info, warn, error, silent' });
  });
});

describe('the health pages', () => {
  let server: HealthServer | undefined;
  afterEach(async () => server?.close());

  test('say whether the process lives and is ready, and why not', async () => {
    let reason: string | undefined = 'agents.signalbox.dev: no complete list yet';
    const metrics = promMetrics();
    metrics.counter('signalbox_test_total', 'A test.', ['kind'])({ kind: 'a' });
    metrics.counter('signalbox_test_total', 'A test.', ['kind'])({ kind: 'a' });
    server = await serveHealth({ host: '127.0.0.1', port: 0, metrics, ready: () => reason });
    const page = async (path: string): Promise<readonly [number, string]> => {
      const response = await fetch(`http://127.0.0.1:${server?.port}${path}`);
      return [response.status, await response.text()];
    };
    expect(await page('/healthz')).toEqual([200, 'ok\n']);
    expect(await page('/readyz')).toEqual([503, 'not ready: agents.signalbox.dev: no complete list yet\n']);
    reason = undefined;
    expect(await page('/readyz?verbose')).toEqual([200, 'ok\n']);
    const [status, body] = await page('/metrics');
    expect(status).toBe(200);
    expect(body).toContain('signalbox_test_total{kind="a"} 2');
    expect(body).toContain('nodejs_eventloop_lag_seconds');
    expect((await page('/other'))[0]).toBe(404);
  });
});
