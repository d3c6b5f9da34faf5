// Owns: what the command line and the sandbox that plays its trials say to each other, over the channel between the processes.
import type { Scenario } from '../../api/v1alpha1/scenario.ts';
import type { Manifests } from './catalog.ts';
import type { TrialRecord } from './record.ts';

export type SandboxRequest =
  | { readonly kind: 'Load'; readonly manifests: Manifests }
  /** `scenario`: merged with its suite. */
  | { readonly kind: 'Play'; readonly id: number; readonly scenario: Scenario; readonly trial: number };

export type SandboxReply =
  | { readonly kind: 'Ready' }
  | { readonly kind: 'Played'; readonly id: number; readonly record: TrialRecord }
  | { readonly kind: 'Failed'; readonly message: string };
