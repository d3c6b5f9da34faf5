// Owns: what `up` hands to the supervising process, and what comes back over their channel.

export interface SupervisorSettings {
  readonly name: string;
  readonly stateDir: string;
  readonly projectRoot: string;
  readonly images: readonly string[];
  readonly readyTimeoutMs: number;
  readonly system: boolean;
  /** The plane ends with the process that started it. */
  readonly foreground: boolean;
}

export type SupervisorMessage =
  | { readonly progress: string }
  | { readonly ready: true }
  | { readonly failure: { readonly code: string; readonly message: string } };
