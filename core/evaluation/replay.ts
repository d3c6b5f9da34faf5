// Owns: policy replay: each decision that stored runs met is made once more as a candidate would make it, on the recorded facts.
// No model and no tool is asked.
//   R1: a candidate that would permit what was not permitted is looser; on a tool with an effect that blocks it.
//   R2: what cannot be decided from the record is `unknown`, counted, and never counted as the same.
//   R3: it cannot say what another prompt would make a model propose: only what becomes of what was proposed.
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import type { EventOf, HistoryEvent, JsonObject, ToolResult } from '../../api/messages/history.ts';
import { type Effect, effects } from '../../api/v1alpha1/tool.ts';
import { decide, type PermissionDecision } from '../permission/decide.ts';
import { effectKey } from '../permission/digest.ts';
import { budgetLeft, type Definition, factsOf, runBinding, stateOf } from '../workflow/definition.ts';
import { evolve } from '../workflow/evolve.ts';
import { initialState, type RunState } from '../workflow/state.ts';
import { catalogFor, type Manifests } from './catalog.ts';
import type { PlayedRun } from './record.ts';
import { replayQuestions, type ReplayedQuestion } from './replay-questions.ts';

/** From what permits most to what permits least. */
export const strictness = [
  'Allow',
  'NeedsApproval',
  'Recommend',
  'Deny',
] as const satisfies readonly PermissionDecision['kind'][];
export type Strictness = (typeof strictness)[number];

export const changes = ['same', 'stricter', 'looser', 'unknown'] as const;
export type Change = (typeof changes)[number];

export interface ReplayedCall {
  readonly run: string;
  /** Of the event that reported it. */
  readonly seq: number;
  readonly state: string;
  readonly agent: string;
  readonly tool: string;
  readonly effect: Effect;
  readonly recorded: Strictness | undefined;
  readonly candidate: Strictness | undefined;
  readonly change: Change;
  /** Why the candidate decides so, or why nothing can be said. */
  readonly why: string;
}

export interface Replayed {
  readonly runs: number;
  readonly calls: readonly ReplayedCall[];
  readonly questions: readonly ReplayedQuestion[];
  readonly counts: Readonly<Record<Change, number>>;
  /** Share of calls about which something could be said. */
  readonly coverage: number | undefined;
  /** block: looser on a tool with an effect, or people no longer asked where there was an effect. nothing: no data. */
  readonly verdict: 'pass' | 'block' | 'nothing';
  readonly blocking: readonly string[];
}

/** The whole history of one run. */
export type StoredRun = Pick<PlayedRun, 'run' | 'events'>;

export function replay(stored: readonly StoredRun[], manifests: Manifests): Replayed {
  const runs = stored.map((run) => replayRun(run, manifests));
  const calls = runs.flatMap((run) => run.calls);
  const questions = runs.flatMap((run) => run.questions);
  const known = calls.filter(({ change }) => change !== 'unknown').length;
  const blocking = runs.flatMap(blockingOf);
  return {
    runs: stored.length,
    calls,
    questions,
    counts: Object.fromEntries(
      changes.map((change) => [change, calls.filter((call) => call.change === change).length]),
    ) as Record<Change, number>,
    coverage: calls.length === 0 ? undefined : known / calls.length,
    verdict: verdictOf(blocking, known + questions.length),
    blocking,
  };
}

function verdictOf(blocking: readonly string[], compared: number): Replayed['verdict'] {
  if (blocking.length > 0) return 'block';
  return compared === 0 ? 'nothing' : 'pass';
}

interface RunReplay {
  readonly calls: readonly ReplayedCall[];
  readonly questions: readonly ReplayedQuestion[];
}

function blockingOf({ calls, questions }: RunReplay): readonly string[] {
  const acts = calls.some(({ effect }) => effect !== 'read');
  return [
    ...calls
      .filter(({ change, effect }) => change === 'looser' && effect !== 'read')
      .map(
        ({ run, seq, agent, tool, effect, recorded, candidate, why }) =>
          `run ${run}, event ${seq}: ${agent} calling ${tool} (${effect}) was ${recorded ?? ''}, would be ${candidate ?? ''}: ${why}`,
      ),
    ...questions
      .filter(({ change }) => change === 'looser' && acts)
      .map(({ run, seq, what }) => `run ${run}, event ${seq}: ${what}`),
  ];
}

/** What the candidate is, for one run. */
export interface Candidate {
  readonly definition: Definition;
  readonly agent: (name: string) => AgentSnapshot | undefined;
  readonly bundle: (agent: string) => ResolvedBundle | undefined;
}

function replayRun({ run, events }: StoredRun, manifests: Manifests): RunReplay {
  const started = events.find((event) => event.type === 'RunStarted');
  if (started === undefined) return { calls: [], questions: [] };
  const candidate = candidateFor(manifests, started);
  const calls: ReplayedCall[] = [];
  const seen = new Set<string>();
  let state = initialState(run);
  for (const event of events) {
    const before = state;
    state = evolve(state, event);
    if (event.type !== 'TurnCompleted') continue;
    for (const result of event.turn.results) {
      const id = `${event.activity} ${event.attempt} ${event.turn.turn} ${result.id}`;
      if (seen.has(id)) continue;
      seen.add(id);
      calls.push(replayCall({ before, event, result, events }, candidate));
    }
  }
  return { calls, questions: candidate === undefined ? [] : replayQuestions(events, initialState(run), candidate) };
}

function candidateFor(
  manifests: Manifests,
  { namespace, workflow: name }: EventOf<'RunStarted'>,
): Candidate | undefined {
  const catalog = catalogFor(manifests, namespace, name);
  const workflow = catalog.workflows.find((one) => one.name === name);
  if (workflow === undefined) return undefined;
  const agent = (wanted: string): AgentSnapshot | undefined => catalog.agents.find((one) => one.name === wanted);
  const bundle = (of: string): ResolvedBundle | undefined => catalog.bundles.find((one) => one.agent === of);
  // Whatever digest a run has pinned: the candidate stands in its place.
  const definition = { workflow, bundle: () => undefined, agentPolicy: (of: string) => agent(of)?.policy };
  return { definition, agent, bundle };
}

interface Reported {
  readonly before: RunState;
  readonly event: EventOf<'TurnCompleted'>;
  readonly result: ToolResult;
  readonly events: readonly HistoryEvent[];
}

function replayCall(reported: Reported, candidate: Candidate | undefined): ReplayedCall {
  const { before, event, result } = reported;
  const agent = before.activity?.agent ?? '';
  const effect = worse(candidate?.bundle(agent)?.tools[result.tool]?.spec.effect, result.receipt?.effect);
  const recorded = recordedOf(reported);
  const told = { run: before.run, seq: event.seq, state: before.state, agent, tool: result.tool, effect, recorded };
  const decision = candidate === undefined ? 'the candidate has no such workflow' : decided(before, result, candidate);
  if (typeof decision === 'string') return { ...told, candidate: undefined, change: 'unknown', why: decision };
  if (recorded === undefined) {
    const why = 'the record does not say how it was decided';
    return { ...told, candidate: decision.kind, change: 'unknown', why };
  }
  const by = strictness.indexOf(decision.kind) - strictness.indexOf(recorded);
  const change = by === 0 ? 'same' : by > 0 ? 'stricter' : 'looser';
  return { ...told, candidate: decision.kind, change, why: whyOf(decision) };
}

/** What the candidate calls its tool does not make less of what was done. Nobody knows: irreversible. */
function worse(...known: readonly (Effect | undefined)[]): Effect {
  const places = known.flatMap((effect) => (effect === undefined ? [] : effects.indexOf(effect)));
  return effects[Math.max(...places)] ?? 'irreversible';
}

/** What the candidate says of the call, or why it can say nothing. */
function decided(
  state: RunState,
  { tool, args }: ToolResult,
  { definition, agent, bundle: bundleOf }: Candidate,
): PermissionDecision | string {
  const name = state.activity?.agent ?? '';
  const spec = stateOf(definition, state.state);
  const bundle = bundleOf(name);
  if (spec === undefined) return `the candidate's workflow has no state ${state.state}`;
  if (bundle === undefined) return `the candidate has no agent ${name}`;
  const left = budgetLeft({ state, definition });
  return decide({
    agent: agent(name),
    bundle,
    task: {
      ...(spec.tools === undefined ? {} : { tools: spec.tools }),
      readOnly: state.readOnly || spec.readOnly === true,
      highRisk: spec.highRisk === true,
      ...(spec.override === undefined ? {} : { override: spec.override }),
    },
    state: state.state,
    tool,
    args,
    run: runBinding(state),
    input: state.input,
    facts: factsOf(state),
    ...(left === undefined ? {} : { budgetLeftMicros: left }),
  });
}

function whyOf(decision: PermissionDecision): string {
  if (decision.kind === 'Deny') return decision.message;
  return decision.kind === 'NeedsApproval' ? decision.check : 'nothing speaks against it';
}

/** How the call was decided then; undefined when the record does not show it. */
function recordedOf({ event, result, events }: Reported): Strictness | undefined {
  if (wasAsked(events, event.activity, result)) return 'NeedsApproval';
  switch (result.outcome) {
    case 'ok':
    case 'ambiguous':
      return 'Allow';
    case 'approvalRequired':
      return 'NeedsApproval';
    case 'recommended':
      return 'Recommend';
    case 'denied':
      // A day's budget is in no history.
      return (result.receipt?.note ?? '').startsWith('budget:') ? undefined : 'Deny';
    case 'error':
      // A worker answers itself for a tool that was not offered. Arguments that do not fit are told before a person is asked.
      return result.receipt === undefined || errorOf(result).startsWith('arguments do not fit') ? undefined : 'Allow';
    case 'rejected':
      return undefined;
  }
}

const errorOf = ({ result }: ToolResult): string => {
  const error = typeof result === 'object' ? (result as { readonly error?: unknown } | null)?.error : undefined;
  return typeof error === 'string' ? error : '';
};

/** A person was asked about exactly this call, or had been when it was made. */
function wasAsked(events: readonly HistoryEvent[], activity: string, { tool, args }: ToolResult): boolean {
  const key = callKey(activity, tool, args);
  return events.some(
    (event) =>
      event.type === 'TurnCompleted' &&
      event.activity === activity &&
      event.turn.results.some(
        (one) => one.outcome === 'approvalRequired' && callKey(activity, one.tool, one.args) === key,
      ),
  );
}

const callKey = (activity: string, tool: string, args: JsonObject): string =>
  effectKey({ run: '', activity, tool, args });
