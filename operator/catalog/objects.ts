// Owns: the kinds as the operator reads them from its caches, and the names of things that are no Kubernetes objects but are
// watched like some: entries of buckets and task consumers.
import type { EscalationRecord, RunSummary } from '../../api/messages/history.ts';
import type { SchedulePosition } from '../../api/messages/schedule.ts';
import type { AgentSpec, AgentStatus } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec, BundleStatus } from '../../api/v1alpha1/bundle.ts';
import type { DecisionSpec, DecisionStatus, EscalationSpec, EscalationStatus } from '../../api/v1alpha1/escalation.ts';
import type { EscalationPolicySpec, EscalationPolicyStatus } from '../../api/v1alpha1/escalation-policy.ts';
import type { ModelSpec, ModelStatus } from '../../api/v1alpha1/model.ts';
import type { ToolSpec, ToolStatus } from '../../api/v1alpha1/tool.ts';
import type { WorkflowRunSpec, WorkflowRunStatus, WorkflowSpec, WorkflowStatus } from '../../api/v1alpha1/workflow.ts';
import type {
  RolloutCommandSpec,
  RolloutCommandStatus,
  RolloutSpec,
  RolloutStatus,
} from '../../api/v1alpha1/rollout.ts';
import type { KubeObject, Resource } from '../../ports/kube.ts';

export interface Typed<Spec, State> extends KubeObject {
  readonly spec: Spec;
  readonly status?: State;
}
export type AgentObject = Typed<AgentSpec, AgentStatus>;
export type BundleObject = Typed<BundleSpec, BundleStatus>;
export type ToolObject = Typed<ToolSpec, ToolStatus>;
export type ModelObject = Typed<ModelSpec, ModelStatus>;
export type WorkflowObject = Typed<WorkflowSpec, WorkflowStatus>;
export type WorkflowRunObject = Typed<WorkflowRunSpec, WorkflowRunStatus>;
export type EscalationPolicyObject = Typed<EscalationPolicySpec, EscalationPolicyStatus>;
export type EscalationObject = Typed<EscalationSpec, EscalationStatus>;
export type DecisionObject = Typed<DecisionSpec, DecisionStatus>;
export type RolloutObject = Typed<RolloutSpec, RolloutStatus>;
export type RolloutCommandObject = Typed<RolloutCommandSpec, RolloutCommandStatus>;

export interface DeploymentObject extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

export interface ConfigMapObject extends KubeObject {
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
}

/** One entry of a bucket, as an object. `metadata.resourceVersion` is its revision. */
export interface Projected<T> extends KubeObject {
  readonly value: T;
}
export type CatalogEntry = Projected<unknown>;
export type RunRecord = Projected<RunSummary>;
export type ScheduleRecord = Projected<SchedulePosition>;
export type EscalationEntry = Projected<EscalationRecord>;

/** A durable consumer of the task stream; its name is the object's name. */
export interface TaskConsumerObject extends KubeObject {
  readonly namespace: string;
  readonly agent: string;
  readonly bundle: string;
  /** Tasks are waiting or at work. */
  readonly busy: boolean;
}

const onBus = (kind: string, plural: string, namespaced: boolean): Resource => ({
  group: 'bus.signalbox.dev',
  version: 'v1',
  kind,
  plural,
  namespaced,
});
/** Entry of the bucket `catalog`; the object's name is the entry's key. */
export const CATALOG_ENTRY = onBus('CatalogEntry', 'catalogentries', false);
/** Entry of the bucket `runs`: namespace and run id. */
export const RUN_RECORD = onBus('RunRecord', 'runrecords', true);
/** Entry of the bucket `versions`: `p<partition>`. */
export const VERSION_REPORT = onBus('VersionReport', 'versionreports', false);
/** Entry of the bucket `escalations`: namespace and id. */
export const ESCALATION_RECORD = onBus('EscalationRecord', 'escalationrecords', true);
/** Entry of the bucket `schedules`: namespace, and workflow and name of the schedule joined by a dot. */
export const SCHEDULE_RECORD = onBus('ScheduleRecord', 'schedulerecords', true);
export const TASK_CONSUMER = onBus('TaskConsumer', 'taskconsumers', false);
