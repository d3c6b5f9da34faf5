// Owns: one container of one Pod as one process after another: start, probes, restart policy with back-off, stop.
import { setTimeout as sleep } from 'node:timers/promises';
import { signalProcess } from '../plane/identity.ts';
import { end, launch, type Ended, type Launched } from '../plane/launch.ts';
import { expand, MissingSource } from './environment.ts';
import { cutLog } from './logs.ts';
import type { Container, ContainerState, ContainerStatus, RestartPolicy } from './pod-spec.ts';
import { runExec, watchProbe, type ProbeTarget } from './probe.ts';

/** Everything a container needs from its Pod. `prepare` may throw MissingSource: the container then waits and asks again. */
export interface ContainerHome {
  readonly instanceRoot: string;
  readonly cwd: string;
  readonly node: string;
  readonly podIP: string;
  readonly prepare: (container: Container) => Promise<Record<string, string>>;
  readonly logFile: (container: Container) => Promise<string>;
  readonly changed: () => void;
}

const backoffFirstMs = 500;
const backoffMaxMs = 30_000;
const steadyMs = 60_000;
const sourceRetryMs = 300;
const logCheckMs = 5_000;
const preStopTimeoutMs = 10_000;

type Waiting = { readonly reason: string; readonly message?: string };

export class ContainerRun {
  readonly container: Container;
  readonly #home: ContainerHome;
  readonly #policy: RestartPolicy;
  readonly #stopping = new AbortController();
  #launched: Launched | undefined;
  #env: Record<string, string> = {};
  #state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  #lastState: ContainerState | undefined;
  #restarts: number;
  #started = false;
  #ready = false;
  #complaint: string | undefined;

  constructor(container: Container, home: ContainerHome, policy: RestartPolicy, before: ContainerStatus | undefined) {
    this.container = container;
    this.#home = home;
    this.#policy = policy;
    const ranBefore = before !== undefined && !('waiting' in before.state && before.restartCount === 0);
    this.#restarts = ranBefore ? before.restartCount + 1 : 0;
  }

  get pid(): number | undefined {
    return 'running' in this.#state ? this.#launched?.identity.pid : undefined;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Ended for good: its policy does not ask for another run. */
  get exitCode(): number | undefined {
    return 'terminated' in this.#state ? this.#state.terminated.exitCode : undefined;
  }

  status(): ContainerStatus {
    return {
      name: this.container.name,
      image: this.container.image,
      imageID: '',
      ...(this.#launched === undefined ? {} : { containerID: `process://${this.#launched.identity.pid}` }),
      ready: this.#ready,
      started: this.#started,
      restartCount: this.#restarts,
      state: this.#state,
      lastState: this.#lastState ?? {},
    };
  }

  /** Resolves when the container has ended for good, by its policy or by `stop`. */
  async run(): Promise<void> {
    const { signal } = this.#stopping;
    let backoffMs = backoffFirstMs;
    while (!signal.aborted) {
      const startedAt = Date.now();
      const ended = await this.#once();
      if (signal.aborted || (ended !== undefined && this.#isFinal(ended))) return;
      if (ended === undefined) {
        await this.#pause(sourceRetryMs);
        continue;
      }
      if (Date.now() - startedAt > steadyMs) backoffMs = backoffFirstMs;
      this.#lastState = this.#state;
      this.#wait({
        reason: 'CrashLoopBackOff',
        message: `${this.#complaint ?? `ended with exit code ${ended.exitCode}`}; starts again in ${backoffMs / 1000} s`,
      });
      await this.#pause(backoffMs);
      backoffMs = Math.min(backoffMs * 2, backoffMaxMs);
      this.#restarts += 1;
    }
  }

  /** preStop, SIGTERM, then SIGKILL when the grace is over. */
  async stop(graceMs: number): Promise<void> {
    const { preStop } = this.container.lifecycle ?? {};
    this.#setReady(false);
    const deadline = Date.now() + graceMs;
    const launched = this.#launched;
    if (launched !== undefined && 'running' in this.#state) {
      if (preStop?.exec !== undefined && graceMs > 0) {
        await runExec(preStop.exec.command, this.#target(), Math.min(graceMs, preStopTimeoutMs));
      }
      this.#stopping.abort();
      await end(launched, Math.max(deadline - Date.now(), 0));
      this.#terminated(await launched.ended, 'Completed');
      return;
    }
    this.#stopping.abort();
  }

  /** SIGKILL, as a fault. */
  kill(): number | undefined {
    const identity = this.#launched?.identity;
    return identity !== undefined && signalProcess(identity, 'SIGKILL') ? identity.pid : undefined;
  }

  /** One process from start to end; undefined when it could not be prepared yet. */
  async #once(): Promise<Ended | undefined> {
    const probes = new AbortController();
    this.#complaint = undefined;
    try {
      this.#env = await this.#home.prepare(this.container);
      const logFile = await this.#home.logFile(this.container);
      if (this.#stopping.signal.aborted) return undefined;
      const [command, args] = this.#commandLine();
      const { instanceRoot, cwd } = this.#home;
      const launched = await launch(instanceRoot, { command, args, env: this.#env, cwd, logFile });
      this.#launched = launched;
      if (this.#stopping.signal.aborted) signalProcess(launched.identity, 'SIGKILL');
      this.#state = { running: { startedAt: new Date().toISOString() } };
      this.#home.changed();
      this.#probe(probes.signal);
      const logCheck = setInterval(() => void cutLog(logFile).catch(() => undefined), logCheckMs);
      const ended = await launched.ended;
      clearInterval(logCheck);
      this.#terminated(ended, ended.exitCode === 0 ? 'Completed' : 'Error');
      return ended;
    } catch (error) {
      const reason = error instanceof MissingSource ? 'CreateContainerConfigError' : 'RunContainerError';
      this.#wait({ reason, message: error instanceof Error ? error.message : String(error) });
      return undefined;
    } finally {
      probes.abort();
    }
  }

  #commandLine(): [string, readonly string[]] {
    const words = [...(this.container.command ?? []), ...(this.container.args ?? [])].map((word) =>
      expand(word, this.#env),
    );
    const [program, ...args] = words;
    if (program === undefined) {
      throw new MissingSource(
        `container "${this.container.name}" has no command; the local node knows no image default, so name one`,
      );
    }
    return [program === 'node' ? this.#home.node : program, args];
  }

  /** Liveness and readiness wait for the startup probe. */
  #probe(signal: AbortSignal): void {
    const { startupProbe, readinessProbe, livenessProbe } = this.container;
    const target = this.#target();
    const afterStart = (): void => {
      if (this.#started) return;
      this.#started = true;
      if (readinessProbe === undefined) this.#setReady(true);
      else void watchProbe(readinessProbe, target, (passed) => this.#setReady(passed), signal);
      if (livenessProbe !== undefined) void watchProbe(livenessProbe, target, this.#orRestart('Liveness'), signal);
      this.#home.changed();
    };
    if (startupProbe === undefined) {
      afterStart();
      return;
    }
    const onStartup = this.#orRestart('Startup');
    const result = (passed: boolean, reason: string): void => (passed ? afterStart() : onStartup(false, reason));
    void watchProbe(startupProbe, target, result, signal);
  }

  #orRestart(name: string): (passed: boolean, reason: string) => void {
    return (passed, reason) => {
      const launched = this.#launched;
      if (passed || launched === undefined) return;
      this.#complaint = `${name} probe failed: ${reason}`;
      void end(launched, 5_000);
    };
  }

  #target(): ProbeTarget {
    return { container: this.container, podIP: this.#home.podIP, env: this.#env, cwd: this.#home.cwd };
  }

  #isFinal(ended: Ended): boolean {
    return this.#policy === 'Never' || (this.#policy === 'OnFailure' && ended.exitCode === 0);
  }

  #terminated(ended: Ended, reason: string): void {
    if (!('running' in this.#state)) return;
    this.#started = false;
    this.#ready = false;
    this.#state = {
      terminated: {
        exitCode: ended.exitCode,
        reason,
        ...(this.#complaint === undefined ? {} : { message: this.#complaint }),
        startedAt: this.#state.running.startedAt,
        finishedAt: new Date().toISOString(),
      },
    };
    this.#home.changed();
  }

  #wait(waiting: Waiting): void {
    this.#state = { waiting };
    this.#home.changed();
  }

  #setReady(ready: boolean): void {
    if (this.#ready === ready) return;
    this.#ready = ready;
    this.#home.changed();
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}
