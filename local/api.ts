// Owns: what the CLI and tests may use of the local control plane. Everything else in this layer is private to it.
export type * from './contract.ts';
export { up, down } from './lifecycle/lifecycle.ts';
export { status, killProcess, kubeconfig, kubeConnection, natsConnection, serviceUrl } from './lifecycle/inspect.ts';
export { logs } from './node/logs.ts';
export { resolveAssets } from './assets/resolve.ts';
export { startSandbox } from './sandbox/sandbox.ts';
