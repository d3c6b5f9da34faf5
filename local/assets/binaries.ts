// Owns: which programs the local control plane consists of, at which version, and where each can come from.
import { execFile } from 'node:child_process';
import { arch, platform } from 'node:os';
import { promisify } from 'node:util';

export type BinaryName = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kubectl' | 'nats-server';

export interface Binary {
  readonly name: BinaryName;
  readonly version: string;
  /** Folder below `tools/assets/` whose go.mod pins the module. */
  readonly module: string;
  readonly goPackage: string;
  /** Version stamps, so that a built binary says what it is. */
  readonly goLinkerFlags: string;
  /** Official file: the program itself, or a .tar.gz that holds it at `member`. */
  readonly download: { readonly url: string; readonly sha256Url: string; readonly member?: string };
}

/** Go's names of this machine, since every official file uses them. */
export function machine(): { readonly os: string; readonly arch: string } {
  const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };
  return { os: platform(), arch: architectures[arch()] ?? arch() };
}

const versionTimeoutMs = 5_000;
const kubernetesVersion = '1.36.3';
const etcdVersion = '3.7.3';
const natsVersion = '2.15.2';

function kubernetes(name: BinaryName): Binary {
  const { os, arch: cpu } = machine();
  const url = `https://dl.k8s.io/release/v${kubernetesVersion}/bin/${os}/${cpu}/${name}`;
  const stamp = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  return {
    name,
    version: kubernetesVersion,
    module: 'kubernetes',
    goPackage: `k8s.io/kubernetes/cmd/${name}`,
    goLinkerFlags: stamp.map((path) => `-X ${path}.gitVersion=v${kubernetesVersion}`).join(' '),
    download: { url, sha256Url: `${url}.sha256` },
  };
}

export function binaries(): readonly Binary[] {
  const { os, arch: cpu } = machine();
  const etcdFolder = `etcd-v${etcdVersion}-${os}-${cpu}`;
  const etcdBase = `https://github.com/etcd-io/etcd/releases/download/v${etcdVersion}`;
  const natsFolder = `nats-server-v${natsVersion}-${os}-${cpu}`;
  const natsBase = `https://github.com/nats-io/nats-server/releases/download/v${natsVersion}`;
  return [
    {
      name: 'etcd',
      version: etcdVersion,
      module: 'etcd',
      goPackage: 'go.etcd.io/etcd/server/v3',
      goLinkerFlags: '',
      download: {
        url: `${etcdBase}/${etcdFolder}.tar.gz`,
        sha256Url: `${etcdBase}/SHA256SUMS`,
        member: `${etcdFolder}/etcd`,
      },
    },
    {
      name: 'nats-server',
      version: natsVersion,
      module: 'nats-server',
      goPackage: 'github.com/nats-io/nats-server/v2',
      goLinkerFlags: '',
      download: {
        url: `${natsBase}/${natsFolder}.tar.gz`,
        sha256Url: `${natsBase}/SHA256SUMS`,
        member: `${natsFolder}/nats-server`,
      },
    },
    kubernetes('kubectl'),
    kubernetes('kube-controller-manager'),
    kubernetes('kube-apiserver'),
  ];
}

/** File name in the cache: `<name>-<version>-<os>-<arch>`. */
export function cacheName(binary: Binary): string {
  const { os, arch: cpu } = machine();
  return `${binary.name}-${binary.version}-${os}-${cpu}`;
}

/** What the program itself says its version is; undefined when it says none. */
export async function reportedVersion(path: string): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: versionTimeoutMs }).catch(() => ({
    stdout: '',
  }));
  return /\bv?(\d+\.\d+\.\d+[-.\w]*)/.exec(stdout)?.[1];
}
