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
const processes = ['engine', 'worker', 'gateway'].flatMap((role) => [`crash ${role}`, `pause ${role}`]);

/** Moments of the operator, and of what these worlds do not have. */
const absent =
  /^operator\.|^engine\.(?:http|blob|schedule)|\/(?:hook|list|show|history|signal|freeze|resume|readonly)$/;

const events = [
  'RunStarted',
  'StateEntered',
  'ActivityScheduled',
  'TurnProposed',
  'TurnCompleted',
  'ActivityCompleted',
  'ActivityFailed',
  'ActivityTimedOut',
  'Transitioned',
  'BusEventReceived',
  'WaitElapsed',
  'SignalObserved',
  'EscalationOpened',
  'EscalationDecided',
  'EscalationExpired',
  'EscalationMoved',
  'ApprovalConsumed',
  'ReadOnlySet',
  'CancelRequested',
  'FallbackRequested',
  'ChildAsked',
  'ChildClosed',
  'ChildrenJoined',
  'CompensationOwed',
  'CompensationStarted',
  'RunEnding',
  'RunClosed',
];

/** `moments`: every failpoint; each of those that these worlds pass must have been a process's last moment once. */
export const expected = (moments: readonly string[]): Wanted => ({
  operations: 1_000,
  effects: 1_000,
  recoveries: 500,
  events,
  faults: [
    ...messages,
    ...tools,
    ...models,
    ...decisions,
    ...processes,
    'server killed',
    'lease lost',
    ...moments.filter((moment) => !absent.test(moment)).map((moment) => `dies at ${moment}`),
  ],
});
