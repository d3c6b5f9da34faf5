// Owns: keeping one server running: start, wait until it answers, restart with back-off when it dies, stop in order.
// Ports and data stay the same over restarts, so that clients only need to reconnect.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignalboxError } from '../../api/errors.ts';
import type { ServerName, ServerStatus } from '../contract.ts';
import { residentMiB, signalProcess } from './identity.ts';
import { end, launch, type Launched, type LaunchSpec } from './launch.ts';

export interface ServerSpec extends LaunchSpec {
  readonly name: ServerName;
  readonly version: string;
  readonly port: number;
  /** True when the server answers; a throw counts as not yet. */
  readonly answers: () => Promise<boolean>;
  readonly stopGraceMs: number;
}

const readyTimeoutMs = 60_000;
const pollMs = 100;
const backoffFirstMs = 250;
const backoffMaxMs = 10_000;
const steadyMs = 30_000;
const complaintLines = 15;

export class Server {
  readonly spec: ServerSpec;
  readonly #instanceRoot: string;
  #launched: Launched | undefined;
  #loop: Promise<void> | undefined;
  #state = 'stopped';
  #restarts = 0;
  readonly #stopping = new AbortController();

  constructor(instanceRoot: string, spec: ServerSpec) {
    this.#instanceRoot = instanceRoot;
    this.spec = spec;
  }

  /** Resolves when the server answers for the first time. */
  async start(): Promise<void> {
    this.#state = 'starting';
    this.#launched = await launch(this.#instanceRoot, this.spec);
    await this.#untilReady(this.#launched);
    this.#loop = this.#keep(this.#launched);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#launched !== undefined) await end(this.#launched, this.spec.stopGraceMs);
    await this.#loop;
    this.#state = 'stopped';
  }

  /** SIGKILL, as a fault. Undefined when it does not run right now. */
  kill(): number | undefined {
    const identity = this.#launched?.identity;
    return identity !== undefined && signalProcess(identity, 'SIGKILL') ? identity.pid : undefined;
  }

  status(): ServerStatus {
    const { name, version, port } = this.spec;
    const pid = this.#launched?.identity.pid;
    const rssMiB = pid === undefined ? undefined : residentMiB(pid);
    return {
      name,
      version,
      port,
      restarts: this.#restarts,
      state: this.#state,
      ...(pid !== undefined && rssMiB !== undefined ? { pid, rssMiB } : {}),
    };
  }

  async #untilReady(launched: Launched): Promise<void> {
    const deadline = Date.now() + readyTimeoutMs;
    let over: string | undefined;
    void launched.ended.then(({ exitCode }) => (over = `it ended with exit code ${exitCode}`));
    while (!(await this.spec.answers().catch(() => false))) {
      over ??= Date.now() > deadline ? `it did not answer within ${readyTimeoutMs / 1000} s` : undefined;
      if (over !== undefined) {
        throw new SignalboxError(
          'PLANE_FAILED',
          `${this.spec.name} did not start: ${over}. Last lines of ${this.spec.logFile}:\n${lastLines(this.spec.logFile)}`,
        );
      }
      await sleep(pollMs);
    }
    this.#state = 'running';
  }

  async #keep(first: Launched): Promise<void> {
    const { signal } = this.#stopping;
    let launched = first;
    let backoffMs = backoffFirstMs;
    for (;;) {
      const startedAt = Date.now();
      const { exitCode } = await launched.ended;
      if (signal.aborted) return;
      if (Date.now() - startedAt > steadyMs) backoffMs = backoffFirstMs;
      this.#state = `restarting: exit code ${exitCode}`;
      this.#restarts += 1;
      await sleep(backoffMs, undefined, { signal }).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, backoffMaxMs);
      if (signal.aborted) return;
      launched = await this.#again(launched);
    }
  }

  /** Starts the program once more; when that fails, the ended one stands in, and the next try comes after a back-off. */
  async #again(ended: Launched): Promise<Launched> {
    const failed = (error: Error): void => void (this.#state = error.message.split('\n')[0] ?? 'failed');
    try {
      const launched = await launch(this.#instanceRoot, this.spec);
      this.#launched = launched;
      if (this.#stopping.signal.aborted) await end(launched, this.spec.stopGraceMs);
      // Not becoming ready shows in the state; the next end of the program leads to the next try.
      else void this.#untilReady(launched).catch(failed);
      return launched;
    } catch (error) {
      failed(error as Error);
      return ended;
    }
  }
}

export function lastLines(file: string, count = complaintLines): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
  } catch {
    return `(no ${file})`;
  }
}
