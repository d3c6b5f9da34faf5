// Owns: carrying out one activity, step by step. What comes next is decided by core/agent from the turns; each finished turn
// is reported before the next begins, so another worker can go on where this one stops.
import { SignalboxError } from '../../api/errors.ts';
import type { ReportReply, Work } from '../../api/messages/asks.ts';
import type { Json, JsonObject, ToolCall, ToolResult, Turn, Verification } from '../../api/messages/history.ts';
import { boundResults, conversation } from '../../core/agent/conversation.ts';
import { parseJson } from '../../core/agent/prompt.ts';
import { plainFailures, runVariable } from '../../core/agent/rules.ts';
import { type ActivityView, type AgentStep, confidenceOf, nextStep, rejection } from '../../core/agent/turn.ts';
import { digest } from '../../core/canonical/canonical.ts';
import type { Asks } from './asks.ts';
import type { Worker } from './ports.ts';

/** How an activity ended for this worker. `LetGo`: the engine said stop, or somebody else has it. */
export type ActivityEnd =
  | { readonly kind: 'Completed' }
  | { readonly kind: 'Failed'; readonly code: string }
  | { readonly kind: 'LetGo'; readonly message: string };

interface Activity {
  readonly worker: Worker;
  readonly work: Work;
  readonly asks: Asks;
  turns: readonly Turn[];
}

type Step<K extends AgentStep['kind']> = Extract<AgentStep, { kind: K }>;

/** Steps of one activity; far above what maxTurns and maxRepairs allow. */
const stepsMax = 512;

export async function runActivity(
  worker: Worker,
  work: Work,
  asks: Asks,
  draining: () => boolean,
): Promise<ActivityEnd | 'Draining'> {
  const activity: Activity = { worker, work, asks, turns: work.turns };
  const read = answerReader(worker, work);
  for (let steps = 0; steps < stepsMax; steps += 1) {
    if (draining()) return 'Draining';
    const end = await take(activity, nextStep(view(activity), read));
    if (end !== undefined) return end;
  }
  return fail(activity, { code: 'MODEL_FAILED', message: `no result after ${stepsMax} steps` }, false);
}

function view({ worker, work, turns }: Activity): ActivityView {
  return {
    turns,
    decisions: work.decisions,
    bundle: worker.settings.bundle.spec,
    structured: work.output !== undefined,
  };
}

async function take(activity: Activity, step: AgentStep): Promise<ActivityEnd | undefined> {
  switch (step.kind) {
    case 'Ask':
      return askModel(activity, step);
    case 'Call':
      return callTools(activity, step);
    case 'Verify':
      return verify(activity, step);
    case 'Reject':
      return report(activity, rejection(step.turn, step.feedback));
    case 'Wait':
      return { kind: 'LetGo', message: step.message };
    case 'Fail':
      return fail(activity, step, step.retryable);
  }
}

async function askModel(activity: Activity, step: Step<'Ask'>): Promise<ActivityEnd | undefined> {
  const { work, asks, turns } = activity;
  const { turn, role, final, feedback } = step;
  const messages = conversation({ input: work.input, facts: work.facts, turns, final });
  const reply = await asks.model({ turn, role, messages, final, ...(feedback === undefined ? {} : { feedback }) });
  if (reply.kind === 'Error') return refused(activity, reply);
  const calls = reply.calls.map(({ id, tool, args }) => ({ id, tool, args }));
  const results = reply.calls.flatMap(({ problem, ...call }): ToolResult[] =>
    problem === undefined ? [] : [{ ...call, outcome: 'error', result: { error: problem } }],
  );
  const said: Turn = { turn, role, text: reply.text.slice(0, 65_536), calls, results, receipt: reply.receipt };
  // A turn with calls is reported when they are made, or proposed right before.
  if (results.length < calls.length) activity.turns = withTurn(turns, said);
  else return report(activity, said);
  return undefined;
}

async function callTools(activity: Activity, step: Step<'Call'>): Promise<ActivityEnd | undefined> {
  const { asks } = activity;
  const results: ToolResult[] = [...step.settled];
  const turnWith = (done: readonly ToolResult[]): Turn => ({ ...step.turn, results: inOrder(step.turn.calls, done) });
  if (step.calls.some((call) => isEffectful(activity, call))) {
    const stopped = await stopOf(activity, await asks.turn({ ...step.turn, results: [] }, true));
    if (stopped !== undefined) return stopped;
  }
  for (const call of step.calls) {
    const reply = await asks.tool(step.turn.turn, call);
    if (reply.kind === 'Error') return refused(activity, reply);
    results.push(reply.result);
    if (reply.result.outcome === 'approvalRequired' || reply.result.outcome === 'ambiguous') break;
  }
  const earlier = activity.turns.filter((known) => known.turn < step.turn.turn);
  return report(activity, turnWith(boundResults(results, earlier)));
}

/** Unknown tools count as effects: proposing one too many is harmless. */
function isEffectful({ worker }: Activity, call: ToolCall): boolean {
  return worker.settings.bundle.tools[call.tool]?.spec.effect !== 'read';
}

function inOrder(calls: readonly ToolCall[], results: readonly ToolResult[]): readonly ToolResult[] {
  return calls.flatMap((call) => results.filter((result) => result.id === call.id).slice(0, 1));
}

/** Rules first, since they cost nothing; then the verifier's model; then the engine checks everything again. */
async function verify(activity: Activity, step: Step<'Verify'>): Promise<ActivityEnd | undefined> {
  const { worker, work, asks, turns } = activity;
  const { spec } = worker.settings.bundle;
  const { result, turn } = step;
  const { facts, input } = work;
  const run = runVariable({ ...work.run, state: work.state });
  const known = { result, facts, input, run, turns };
  const feedback = plainFailures(spec.verifier.rules ?? [], known);
  if (feedback !== undefined) return report(activity, rejection(turn, feedback));
  let model: Verification['model'];
  if (spec.verifier.model !== undefined) {
    const verdict = await asks.verify(turn, result);
    if (verdict.kind === 'Error') return refused(activity, verdict);
    const { approved, reason, receipt } = verdict;
    if (!approved) return report(activity, rejection(turn, reason, receipt));
    model = { approved, reason, receipt };
  }
  const confidence = confidenceOf(spec, result, turns);
  const reply = await asks.complete({
    result,
    verification: { approved: true, rules: [], ...(model === undefined ? {} : { model }) },
    ...(confidence === undefined ? {} : { confidence }),
  });
  if (reply.kind === 'Go') return { kind: 'Completed' };
  if (reply.kind === 'Repair') return report(activity, rejection(turn, reply.feedback));
  return (await stopOf(activity, reply)) ?? { kind: 'Completed' };
}

/** Reports a finished turn; undefined when the activity goes on. */
async function report(activity: Activity, turn: Turn): Promise<ActivityEnd | undefined> {
  activity.turns = withTurn(activity.turns, turn);
  return stopOf(activity, await activity.asks.turn(turn, false));
}

const withTurn = (turns: readonly Turn[], turn: Turn): readonly Turn[] => [
  ...turns.filter((known) => known.turn !== turn.turn),
  turn,
];

/** What the engine's answer to a report means; a report it cannot place is claimed anew. */
async function stopOf(activity: Activity, reply: ReportReply): Promise<ActivityEnd | undefined> {
  if (reply.kind === 'Stop') return { kind: 'LetGo', message: reply.message };
  if (reply.kind !== 'Error') return undefined;
  if (reply.code === 'STALE') throw new SignalboxError('STALE', reply.message);
  return fail(activity, reply, true);
}

/** The gateway's no. Stale means that somebody else has the activity; anything else ends the attempt. */
async function refused(
  activity: Activity,
  error: { readonly code: string; readonly message: string; readonly retryable: boolean },
): Promise<ActivityEnd> {
  if (error.code === 'STALE') return { kind: 'LetGo', message: error.message };
  return fail(activity, error, error.retryable);
}

async function fail(
  { asks }: Activity,
  { code, message }: { readonly code: string; readonly message: string },
  retryable: boolean,
): Promise<ActivityEnd> {
  await asks.fail({ code, message }, retryable);
  return { kind: 'Failed', code };
}

/** Reads a final answer against the task's output schema. */
function answerReader(worker: Worker, work: Work) {
  const schema = work.output;
  const key = schema === undefined ? '' : `output/${digest(schema)}`;
  return (text: string) => {
    const value = parseJson(text);
    if (!isObject(value)) return { ok: false as const, message: 'it is not one JSON object' };
    const checked = schema === undefined ? { ok: true as const } : worker.schemas.check(key, schema, value);
    return checked.ok ? { ok: true as const, result: value } : { ok: false as const, message: checked.message };
  };
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
