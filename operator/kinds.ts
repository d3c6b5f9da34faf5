// Owns: the list of controllers and of what they look at beside Kubernetes.
import { buckets } from '../api/messages/subjects.ts';
import type { EscalationRecord, RunSummary } from '../api/messages/history.ts';
import type { SchedulePosition } from '../api/messages/schedule.ts';
import type { VersionReport } from '../api/messages/versions.ts';
import type { Bucket, Bus, BusAdmin } from '../ports/bus.ts';
import type { Informer, Informers } from '../ports/cache.ts';
import type { Kube, Resource } from '../ports/kube.ts';
import { CONFIG_MAP, DEPLOYMENT, SERVICE_ACCOUNT } from '../ports/resources.ts';
import type { EvidenceLog } from '../ports/evidence.ts';
import type { Clock, Log } from '../ports/system.ts';
import { agentController } from './agent/controller.ts';
import type { PodSettings } from './agent/workers.ts';
import { bundleController } from './bundle/controller.ts';
import { BucketInformer } from './catalog/bucket-informer.ts';
import { performOnBus } from './catalog/commands.ts';
import { ConsumerInformer } from './catalog/consumer-informer.ts';
import { EngineDesk } from './catalog/engine.ts';
import { withProjections } from './catalog/informers.ts';
import { managedSelector } from './catalog/labels.ts';
import { CATALOG_ENTRY, ESCALATION_RECORD, RUN_RECORD, SCHEDULE_RECORD, VERSION_REPORT } from './catalog/objects.ts';
import { secretLook } from './catalog/secrets.ts';
import { VersionLook } from './catalog/versions.ts';
import type { Controller } from './controller/controller.ts';
import { decisionController } from './decision/controller.ts';
import { escalationController } from './escalation/controller.ts';
import { escalationPolicyController } from './escalationpolicy/controller.ts';
import { gatewayController } from './gateway/controller.ts';
import { namespaceController } from './namespace/controller.ts';
import { modelController } from './model/controller.ts';
import { rolloutController } from './rollout/controller.ts';
import { EvidenceKeeper } from './rollout/evidence.ts';
import { rolloutCommandController } from './rolloutcommand/controller.ts';
import { toolController } from './tool/controller.ts';
import { workflowController } from './workflow/controller.ts';
import { workflowRunController } from './workflowrun/controller.ts';

export interface Systems {
  readonly kube: Kube;
  readonly informers: Informers;
  /** Account CONTROL. */
  readonly control: Bus;
  /** Account WORK. */
  readonly work: Bus;
  readonly admin: BusAdmin;
  readonly evidence: EvidenceLog;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Assembled {
  readonly controllers: readonly Controller[];
  readonly informers: Informers;
  readonly alsoWatched: readonly Resource[];
}

/** Tasks of one consumer at work at once, over all its workers. */
const maxAckPending = 1_000;

/** Of what we make, only our own is kept in memory. */
const selections = Object.fromEntries(
  [DEPLOYMENT, CONFIG_MAP, SERVICE_ACCOUNT].map(({ plural }) => [plural, { labelSelector: managedSelector }]),
);

export function assemble(systems: Systems, pods: PodSettings): Assembled {
  const { kube, control, work, admin, clock, log } = systems;
  const catalog = once(() => control.bucket<unknown>(buckets.catalog));
  const entries = new BucketInformer({ resource: CATALOG_ENTRY, open: catalog, clock, log });
  const runs = new BucketInformer<RunSummary>({
    resource: RUN_RECORD,
    open: once(() => control.bucket<RunSummary>(buckets.runs)),
    keep: (run) => run.status !== 'Closed' || run.object !== undefined,
    clock,
    log,
  });
  const escalations = new BucketInformer<EscalationRecord>({
    resource: ESCALATION_RECORD,
    open: once(() => control.bucket<EscalationRecord>(buckets.escalations)),
    clock,
    log,
  });
  const schedules = new BucketInformer<SchedulePosition>({
    resource: SCHEDULE_RECORD,
    open: once(() => control.bucket<SchedulePosition>(buckets.schedules)),
    clock,
    log,
  });
  const reports = new BucketInformer<VersionReport>({
    resource: VERSION_REPORT,
    open: once(() => control.bucket<VersionReport>(buckets.versions)),
    clock,
    log,
  });
  control.onReconnect(() => reports.dropAll());
  const consumers = new ConsumerInformer({ admin, clock, log });
  work.onReconnect(() => consumers.refresh());
  const perform = performOnBus({ catalog, entries, admin, consumers, maxAckPending });
  const desk = new EngineDesk(control, pods.partitions);
  const { partitions } = pods;
  const keeper = new EvidenceKeeper({ log: systems.evidence, bus: control, clock, partitions });
  const look = secretLook(kube);
  const versions = new VersionLook(entries, pods.partitions);
  const projected = [entries, runs, reports, escalations, schedules, consumers];
  const projections = projected as unknown as readonly Informer<never>[];
  return {
    informers: withProjections(systems.informers, projections, selections),
    alsoWatched: [VERSION_REPORT],
    controllers: [
      toolController(look),
      modelController(look),
      escalationPolicyController(),
      bundleController(versions, perform),
      agentController(pods, versions, perform),
      gatewayController(pods),
      namespaceController(perform),
      workflowController(versions, perform),
      workflowRunController(desk),
      escalationController(),
      decisionController(desk),
      rolloutController({ versions, evidence: (root) => keeper.look(root) }),
      rolloutCommandController(),
    ],
  };
}

/** The bucket of the first successful opening. */
function once<T>(open: () => Promise<Bucket<T>>): () => Promise<Bucket<T>> {
  let opened: Promise<Bucket<T>> | undefined;
  return () => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}
