// Owns: a real control plane for one integration test file. Light mode: etcd, kube-apiserver and nats-server only.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { resolveAssets } from '../../local/assets/resolve.ts';
import type { KubeConnection, PlaneConnection } from '../../local/contract.ts';
import { down, kubeconfig, up } from '../../local/api.ts';
import { kubeconfigText } from '../../local/plane/kubeconfig.ts';
import { instancePaths, projectRoot } from '../../local/plane/paths.ts';
import { removeInstance, startPlane as startServers, type RunningPlane } from '../../local/plane/plane.ts';

const run = promisify(execFile);

export interface TestPlaneOptions {
  /** Apply `crds/*.yaml` and wait until they are established. */
  readonly crds?: boolean;
  /** Also start kube-controller-manager: garbage collection, namespaces, Deployments, service accounts. */
  readonly controllerManager?: boolean;
}

export interface TestPlane {
  /** Path of a kubeconfig whose token is in group system:masters. */
  readonly kubeconfig: string;
  readonly kube: KubeConnection;
  readonly nats: PlaneConnection;
  /** Runs kubectl with the plane's kubeconfig and returns stdout; `input` goes to stdin (use `-f -`). */
  readonly kubectl: (args: readonly string[], input?: string) => Promise<string>;
  /** The same, and what the API server warned of. */
  readonly kubectlWarnings: (args: readonly string[], input?: string) => Promise<readonly string[]>;
  /** Faults: `plane.kill('nats-server')` is SIGKILL; the server comes back on the same port and data. */
  readonly servers: RunningPlane;
  readonly stop: () => Promise<void>;
}

/** About 4 s. Call in `beforeAll`, and `stop()` in `afterAll`: nothing is left behind. */
export async function startPlane(options: TestPlaneOptions = {}): Promise<TestPlane> {
  const stateDir = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
  const assets = await resolveAssets(() => undefined);
  const paths = instancePaths({ name: 'test', stateDir });
  const servers = await startServers({ paths, assets, progress: () => undefined, etcdFsync: false });
  const config = join(stateDir, 'kubeconfig');
  await writeFile(config, kubeconfigText('test', servers.kube), { mode: 0o600 });
  const runKubectl = kubectlOf(assets.kubectl, config, stateDir);
  const kubectl = kubectlWith(assets.kubectl, config, stateDir);
  const kubectlWarnings: TestPlane['kubectlWarnings'] = async (args, input) =>
    [...(await runKubectl(args, input)).stderr.matchAll(/^Warning: (.*)$/gm)].map(([, warning = '']) => warning);
  const stop = async (): Promise<void> => {
    await servers.stop();
    await removeInstance(paths);
    await rm(stateDir, { recursive: true, force: true });
  };
  try {
    if (options.crds === true) await applyCrds(kubectl);
    if (options.controllerManager === true) await servers.startControllerManager();
  } catch (error) {
    await stop();
    throw error;
  }
  return { kubeconfig: config, kube: servers.kube, nats: servers.nats, kubectl, kubectlWarnings, servers, stop };
}

function kubectlWith(program: string, config: string, home: string): TestPlane['kubectl'] {
  const kubectl = kubectlOf(program, config, home);
  return async (args, input) => (await kubectl(args, input)).stdout;
}

type Kubectl = (
  args: readonly string[],
  input?: string,
) => Promise<{ readonly stdout: string; readonly stderr: string }>;

function kubectlOf(program: string, config: string, home: string): Kubectl {
  return async (args, input) => {
    const child = run(program, ['--kubeconfig', config, ...args], {
      env: { PATH: '/usr/bin:/bin', HOME: home },
      timeout: 60_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    // A kubectl that was killed or refused at once reads nothing: its exit says so.
    child.child.stdin?.on('error', () => undefined);
    child.child.stdin?.end(input ?? '');
    return await child;
  };
}

async function applyCrds(kubectl: TestPlane['kubectl']): Promise<void> {
  const folder = join(projectRoot(), 'crds');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml'));
  await kubectl(['apply', '--server-side', ...files.flatMap((name) => ['-f', join(folder, name)])]);
  await kubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd', '--all']);
}

export interface TestInstance {
  readonly options: { readonly name: string; readonly stateDir: string };
  readonly kubectl: TestPlane['kubectl'];
  readonly stop: () => Promise<void>;
}

/** A whole instance with local node, as `signalbox up` starts it; `system` applies `crds/` and `deploy/` (needs `dist/`). */
export async function startInstance(name: string, system = false): Promise<TestInstance> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'));
  const options = { name, stateDir: join(folder, 'state') };
  const stop = async (): Promise<void> => {
    await down(options, () => undefined);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await up({ ...options, system }, () => undefined);
    const { kubectl: program } = await resolveAssets(() => undefined);
    const config = join(folder, 'kubeconfig');
    await writeFile(config, await kubeconfig(options), { mode: 0o600 });
    return { options, kubectl: kubectlWith(program, config, folder), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
