// Owns: the list of kinds. Generators, the API server's CRDs and the docs all read it.
import type { KindDefinition } from '../schema.ts';
import { agentKind } from './agent.ts';
import { bundleKind } from './bundle.ts';
import { decisionKind, escalationKind } from './escalation.ts';
import { escalationPolicyKind } from './escalation-policy.ts';
import { modelKind } from './model.ts';
import { rolloutCommandKind, rolloutKind } from './rollout.ts';
import { scenarioSuiteKind } from './scenario-suite.ts';
import { toolKind } from './tool.ts';
import { workflowKind, workflowRunKind } from './workflow.ts';

export const kinds: readonly KindDefinition[] = [
  agentKind,
  bundleKind,
  toolKind,
  modelKind,
  workflowKind,
  workflowRunKind,
  escalationPolicyKind,
  escalationKind,
  decisionKind,
  rolloutKind,
  rolloutCommandKind,
];

/** Kinds of files for the command line: nothing acts on them in a cluster, so there are no CRDs. */
export const fileKinds: readonly KindDefinition[] = [scenarioSuiteKind];
