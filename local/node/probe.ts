// Owns: asking a container whether it has started, is ready, is alive. A probe never changes a container; it reports.
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { resolvePort, type Container, type Probe } from './pod-spec.ts';

export interface ProbeTarget {
  readonly container: Container;
  readonly podIP: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** What a probe found: undefined when it passed, else why not. */
type Finding = string | undefined;

const defaults = { periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3 } as const;
/** Until the first success a probe is asked this often: a kubelet waits a whole period, people should not. */
const eagerMs = 250;
const unverified = new Agent({ connect: { rejectUnauthorized: false }, pipelining: 0 });

/**
 * Runs until the signal fires. `onResult` gets true after `successThreshold` passes in a row and false, with the reason,
 * after `failureThreshold` failures in a row; each change once, repeated failures at every threshold.
 */
export async function watchProbe(
  probe: Probe,
  target: ProbeTarget,
  onResult: (passed: boolean, reason: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const settings = { ...defaults, ...probe };
  let passes = 0;
  let failures = 0;
  let everPassed = false;
  await pause((probe.initialDelaySeconds ?? 0) * 1000, signal);
  while (!signal.aborted) {
    const found = await probeOnce(probe, target, settings.timeoutSeconds * 1000);
    if (signal.aborted) return;
    passes = found === undefined ? passes + 1 : 0;
    failures = found === undefined ? 0 : failures + 1;
    if (passes === settings.successThreshold) onResult(true, '');
    // While it has never passed, failures count per period, however often it is asked.
    const periods = everPassed ? 1 : (settings.periodSeconds * 1000) / eagerMs;
    if (failures > 0 && failures % Math.ceil(settings.failureThreshold * periods) === 0) onResult(false, found ?? '');
    everPassed ||= passes >= settings.successThreshold;
    await pause(everPassed ? settings.periodSeconds * 1000 : eagerMs, signal);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** One question, bounded by `timeoutMs`. */
export async function probeOnce(probe: Probe, target: ProbeTarget, timeoutMs: number): Promise<Finding> {
  try {
    if (probe.httpGet !== undefined) return await probeHttp(probe.httpGet, target, timeoutMs);
    if (probe.tcpSocket !== undefined) return await probeTcp(probe.tcpSocket, target, timeoutMs);
    if (probe.exec !== undefined) return await runExec(probe.exec.command, target, timeoutMs);
    return 'the local node has httpGet, tcpSocket and exec probes only';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function probeHttp(get: NonNullable<Probe['httpGet']>, target: ProbeTarget, timeoutMs: number): Promise<Finding> {
  const port = portOf(get.port, target);
  const path = get.path ?? '/';
  const url = `${(get.scheme ?? 'HTTP').toLowerCase()}://${get.host ?? target.podIP}:${port}${path.startsWith('/') ? '' : '/'}${path}`;
  const answer = await request(url, {
    dispatcher: unverified,
    signal: AbortSignal.timeout(timeoutMs),
    headers: Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }) => [name, value])),
  });
  await answer.body.dump();
  return answer.statusCode >= 200 && answer.statusCode < 400 ? undefined : `GET ${path} answered ${answer.statusCode}`;
}

function probeTcp(socket: NonNullable<Probe['tcpSocket']>, target: ProbeTarget, timeoutMs: number): Promise<Finding> {
  const port = portOf(socket.port, target);
  return new Promise((resolve) => {
    const connection = connect({ host: socket.host ?? target.podIP, port, timeout: timeoutMs });
    const answer = (finding: Finding): void => {
      connection.destroy();
      resolve(finding);
    };
    connection.once('connect', () => answer(undefined));
    connection.once('timeout', () => answer(`port ${port} did not answer within ${timeoutMs} ms`));
    connection.once('error', (error) => answer(error.message));
  });
}

function portOf(port: number | string, target: ProbeTarget): number {
  const number = resolvePort(port, [target.container]);
  if (number === undefined) throw new Error(`container ${target.container.name} has no port named "${port}"`);
  return number;
}

/** Runs a command in the container's environment; also for preStop hooks. */
export function runExec(command: readonly string[], target: ProbeTarget, timeoutMs: number): Promise<Finding> {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: target.cwd,
      env: target.env,
      stdio: 'ignore',
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    child.once('error', (error) => resolve(`cannot run ${program}: ${error.message}`));
    child.once('exit', (code, signal) => resolve(code === 0 ? undefined : `${program} ended with ${code ?? signal}`));
  });
}
