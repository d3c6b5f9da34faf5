// Owns: from the decision about a rollout to its status, conditions and events. The Agent's plan does the rest.
import type { RolloutPhase, RolloutStatus } from '../../api/v1alpha1/rollout.ts';
import { planRollout as decide } from '../../core/rollout/machine.ts';
import { phaseOf } from '../../core/rollout/move.ts';
import type { RolloutAct, RolloutSeen } from '../../core/rollout/seen.ts';
import type { Instant } from '../../ports/system.ts';
import { isDeleting } from '../catalog/labels.ts';
import type { Plan, Status } from '../controller/plan.ts';
import { conditions, type Health, kstatus } from '../controller/status.ts';
import type { RolloutObserved } from './observe.ts';

/** Partitions tell at once that they go by a catalog: nobody wakes us. */
const tellsMs = 250;

export function planRollout({ root, seen }: RolloutObserved, now: Instant): Plan<RolloutAct> {
  if (isDeleting(root)) return { commands: [] };
  const { commands, status, events, requeueAfterMs } = decide(seen, now);
  const looked: Status = {
    ...status,
    observedGeneration: root.metadata.generation,
    conditions: conditions(root, kstatus(healthOf(status)), now),
  };
  const waits = isRouting(seen) ? tellsMs : Infinity;
  return {
    commands,
    status: looked,
    events: events.map((event) => ({ ...event, action: 'Rollout' })),
    ...(requeueAfterMs === undefined ? {} : { requeueAfterMs: Math.min(requeueAfterMs, waits) }),
  };
}

/** What was decided is not yet what every partition goes by. */
function isRouting({ status, route }: RolloutSeen): boolean {
  const { weight } = status;
  return weight !== undefined && (route?.told !== true || weight.desiredBps !== weight.observedBps);
}

/** As `kubectl wait`, Flux and Argo CD read it. */
function healthOf(status: RolloutStatus): Health {
  const { message = '', reason = 'Admitted' } = status;
  return { state: states[phaseOf(status)] ?? 'reconciling', reason, message };
}

const states: Partial<Readonly<Record<RolloutPhase, Health['state']>>> = {
  Completed: 'ready',
  RolledBack: 'stalled',
  Rejected: 'stalled',
  Waiting: 'waiting',
  Held: 'waiting',
  AwaitingApproval: 'waiting',
  Paused: 'waiting',
  Superseded: 'waiting',
  Cancelled: 'waiting',
};
