// Owns: what a large enough run of the simulator must have seen; what never occurred was never checked.
import type { Wanted } from '../../core/invariants/vacuity.ts';

const messages = ['request', 'reply', 'publish', 'answer', 'read', 'task', 'ack'].flatMap((kind) =>
  ['lost', 'late', 'doubled'].map((fate) => `${kind} ${fate}`),
);
const tools = ['refuses', 'unreached', 'acts, answer lost', 'dies before acting', 'acts late', 'slow'].map(
  (kind) => `tool ${kind}`,
);
const models = ['unavailable', 'fails', 'slow'].map((kind) => `model ${kind}`);
const decisions = ['late', 'twice', 'wrong digest', 'wrong queue', 'asked for it', 'never'].map(
  (kind) => `decision ${kind}`,
);
const processes = ['engine', 'worker', 'gateway'].flatMap((role) => [
  `crash ${role}`,
  `pause ${role}`,
  `sleeps at a moment of a ${role}`,
]);

/** Moments of the operator, and of what these worlds do not have. */
const absent = /^operator\.|^engine\.(?:http|blob)|\/(?:hook|list|show|history)$/;

/** Those that any thousand worlds have. */
const events = [
  'RunStarted',
  'StateEntered',
  'ActivityScheduled',
  'TurnProposed',
  'TurnCompleted',
  'ActivityCompleted',
  'ActivityFailed',
  'Transitioned',
  'BusEventReceived',
  'WaitElapsed',
  'SignalObserved',
  'SignalReceived',
  'SignalTaken',
  'EscalationOpened',
  'EscalationDecided',
  'EscalationExpired',
  'EscalationMoved',
  'ApprovalConsumed',
  'RunFrozen',
  'RunResumed',
  'ReadOnlyChanged',
  'CancelRequested',
  'FallbackRequested',
  'ChildAsked',
  'ChildClosed',
  'ChildrenJoined',
  'CompensationOwed',
  'RunEnding',
  'RunClosed',
];
/** Those that ten thousand have. */
const rareEvents = ['ActivityTimedOut', 'WorkerLost', 'ReadOnlySet', 'CompensationStarted', 'CompensationCompleted'];

/** Fewer worlds than this prove nothing of their kind, and are not judged by it. */
export const seedsEnough = 1_000;
const seedsForEachMoment = 10_000;

/**
 * What `seeds` worlds must have had. `moments`: every failpoint; from ten thousand worlds on each of those that these worlds pass
 * must have been a process's last moment once.
 */
export function expected(seeds: number, moments: readonly string[]): Wanted {
  const many = seeds >= seedsForEachMoment;
  const last = moments.filter((moment) => !absent.test(moment)).map((moment) => `dies at ${moment}`);
  return {
    operations: seeds,
    effects: Math.floor(seeds / 4),
    recoveries: Math.floor(seeds / 2),
    events: many ? [...events, ...rareEvents] : events,
    faults: [
      ...messages,
      ...tools,
      ...models,
      ...decisions,
      ...processes,
      ...(many ? last : []),
      'server killed',
      'lease lost',
    ],
  };
}
