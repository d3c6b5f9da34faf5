// Owns: what the CLI and tests may use of the local control plane. Everything else in this layer is private to it.
export type * from './contract.ts';
export { resolveAssets } from './assets/resolve.ts';
