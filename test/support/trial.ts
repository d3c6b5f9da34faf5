// Owns: histories and records of trials that tests of scores write down call by call.
import type { CallOutcome, Receipt, HistoryEvent, JsonObject, NewEvent } from '../../api/messages/history.ts';
import type { Expectation } from '../../api/v1alpha1/scenario-expectation.ts';
import type { Scenario } from '../../api/v1alpha1/scenario.ts';
import type { Effect } from '../../api/v1alpha1/tool.ts';
import type { PlayedRun, TrialRecord, WorldCall } from '../../core/evaluation/record.ts';
import { effectKey } from '../../core/permission/digest.ts';

export const run = 'run1';
export const activity = 'work.1';
export const effects: Readonly<Record<string, Effect>> = {
  find: 'read',
  list: 'read',
  charge: 'write',
  send: 'write',
  wipe: 'irreversible',
};

export interface Told {
  readonly tool: string;
  readonly args?: JsonObject;
  readonly outcome?: CallOutcome;
  /** As the gateway's receipt has it. */
  readonly effect?: Effect;
}

type Step =
  Told | { readonly asked: { readonly rule?: string; readonly queue?: string } } | { readonly event: NewEvent };

/** A run that makes each call in a turn of its own, and ends with `outcome`; without one it is still open. */
export function played(steps: readonly Step[], outcome?: 'success' | 'refused' | 'handedOver'): PlayedRun {
  const events: HistoryEvent[] = [];
  const add = (event: NewEvent): void => {
    const at = events.length + 1;
    events.push({ ...event, seq: at, at, cause: `c${at}` } as HistoryEvent);
  };
  add({ type: 'RunStarted', ...started });
  add({ type: 'StateEntered', state: 'work', visit: 1 });
  add({ type: 'ActivityScheduled', ...scheduled });
  for (const [index, step] of steps.entries()) add(eventOf(step, index + 1));
  if (outcome !== undefined) add({ type: 'StateEntered', state: 'done', visit: 1 });
  if (outcome !== undefined) add({ type: 'RunClosed', outcome, state: 'done', message: 'done' });
  return { run, workflow: 'w', events };
}

const started = {
  namespace: 'n',
  workflow: 'w',
  workflowDigest: 'sha256:w',
  input: {},
  requestedBy: 'ann',
  source: 'http',
  pins: {},
  deadline: 1_000_000,
} as const;
const scheduled = {
  activity,
  state: 'work',
  agent: 'clerk',
  bundleDigest: 'sha256:b',
  route: 'primary',
  attempt: 1,
  notBefore: 0,
  deadline: 1_000_000,
} as const;

function eventOf(step: Step, turn: number): NewEvent {
  if ('event' in step) return step.event;
  if ('asked' in step) return { type: 'EscalationOpened', escalation: question(step.asked) };
  const { tool, args = {}, outcome = 'ok', effect } = step;
  const receipt = effect === undefined ? {} : { receipt: { kind: 'tool', outcome, effect } as Receipt };
  const call = { id: 'call-1', tool, args };
  return {
    type: 'TurnCompleted',
    activity,
    attempt: 1,
    worker: 'w1',
    turn: { turn, role: 'executor', calls: [call], results: [{ ...call, outcome, result: {}, ...receipt }] },
  };
}

const question = ({ rule, queue = 'desk' }: { readonly rule?: string; readonly queue?: string }) => ({
  id: 'run1-1',
  signal: rule === undefined ? ('approval' as const) : ('redFlag' as const),
  ...(rule === undefined ? {} : { rule }),
  action: 'humanQueue' as const,
  queue,
  question: 'Shall it go on?',
  evidence: [],
  digest: 'sha256:q',
  state: 'work',
  deadline: 1_000_000,
});

/** What the world has of a call that acted. */
export const acted = (tool: string, args: JsonObject = {}, of = run): WorldCall => ({
  seq: 1,
  tool,
  effect: effects[tool] ?? 'irreversible',
  args,
  key: effectKey({ run: of, activity, tool, args }),
  did: 'acted',
});

export const record = (steps: readonly Step[], more: Partial<TrialRecord> = {}): TrialRecord => ({
  scenario: 'one',
  trial: 1,
  seed: 1,
  end: 'closed',
  runs: [played(steps, more.end === undefined ? 'success' : undefined)],
  calls: [],
  state: {},
  faults: [],
  elapsedMs: 10,
  ...more,
});

export const scenario = (expect: Expectation, more: Partial<Scenario> = {}): Scenario => ({
  name: 'one',
  workflow: 'w',
  expect,
  ...more,
});

export const completed = (result: JsonObject): { readonly event: NewEvent } => ({
  event: {
    type: 'ActivityCompleted',
    activity,
    attempt: 1,
    result,
    verification: { approved: true, rules: [] },
    worker: 'w1',
  },
});
