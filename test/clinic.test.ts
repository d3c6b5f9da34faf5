// The clinic's manifests: each fits its kind, names only what exists, and its scripts reach the outcomes that the demo
// shows, against the clinic's real tools. No process is started.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import type { JsonObject, Turn } from '../api/messages/history.ts';
import { agentSpecSchema, type AgentSpec } from '../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../api/v1alpha1/bundle.ts';
import type { EscalationPolicySpec } from '../api/v1alpha1/escalation-policy.ts';
import { kinds } from '../api/v1alpha1/kinds.ts';
import type { ModelSpec } from '../api/v1alpha1/model.ts';
import type { ToolSpec } from '../api/v1alpha1/tool.ts';
import type { WorkflowSpec } from '../api/v1alpha1/workflow.ts';
import { checkedKinds, checkObject, type Checked } from '../core/admission/admission.ts';
import { checkReferences } from '../core/admission/references.ts';
import { checkRules } from '../core/agent/rules.ts';
import { scriptedAnswer, scriptVariables } from '../core/agent/script.ts';
import { checkTemplate, compile, evaluateBoolean, interpolate } from '../core/cel/cel.ts';
import { Clinic, clinicTools } from '../examples/clinic/server/clinic.ts';
import { openClinic } from '../examples/clinic/server/database.ts';

const root = join(import.meta.dirname, '..', 'examples');

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly file: string;
}

const manifests: readonly Manifest[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.yaml'))
  .toSorted()
  .flatMap((file) =>
    parseAllDocuments(readFileSync(join(root, file), 'utf8')).map((document) => {
      expect(document.errors, file).toEqual([]);
      return { ...(document.toJS() as Omit<Manifest, 'file'>), file };
    }),
  );
/** Scenarios are files for the command line: `test/integration/scenarios.test.ts` plays them. */
const ours = manifests.filter(
  ({ apiVersion, kind }) => apiVersion === 'signalbox.dev/v1alpha1' && !kind.startsWith('Scenario'),
);

const specs = <T>(kind: string): ReadonlyMap<string, T> =>
  new Map(ours.filter((one) => one.kind === kind).map((one) => [one.metadata.name, one.spec as T]));
const agents = specs<AgentSpec>('Agent');
const bundles = specs<BundleSpec>('Bundle');
const tools = specs<ToolSpec>('Tool');
const models = specs<ModelSpec>('Model');
const policies = specs<EscalationPolicySpec>('EscalationPolicy');
const workflows = specs<WorkflowSpec>('Workflow');

describe('every manifest', () => {
  test.each(ours.map((manifest) => [`${manifest.file} ${manifest.kind} ${manifest.metadata.name}`, manifest]))(
    '%s fits its kind and has no unknown field',
    (_name, manifest) => {
      const kind = kinds.find((candidate) => candidate.kind === manifest.kind);
      if (kind === undefined) throw new Error(`kind ${manifest.kind} does not exist`);
      expect(kind.spec.parse(manifest.spec)).toEqual(manifest.spec);
    },
  );

  const checked = ours.filter(({ kind }) => checkedKinds.some((candidate) => candidate === kind));
  test.each(checked.map((manifest) => [`${manifest.file} ${manifest.kind} ${manifest.metadata.name}`, manifest]))(
    '%s passes the static checks',
    (_name, { kind, metadata, spec }) => {
      expect(checkObject(metadata.name, { kind, spec } as unknown as Checked)).toEqual([]);
    },
  );

  const existing = {
    agent: (name: string) => agents.get(name),
    bundle: (name: string) => bundles.get(name),
    tool: (name: string) => tools.get(name),
    model: (name: string) => models.get(name),
    policy: (name: string) => policies.get(name),
    workflow: (name: string) => workflows.get(name),
  };
  test.each(checked.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, manifest]))(
    '%s names only what exists',
    (_name, { kind, metadata, spec }) => {
      expect(checkReferences(metadata.name, { kind, spec } as unknown as Checked, existing)).toEqual([]);
    },
  );

  test('names are unique within a kind', () => {
    const names = ours.map((manifest) => `${manifest.kind}/${manifest.metadata.name}`);
    expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
  });

  test('the clinic has seven agents', () => {
    const names = ours
      .filter((one) => one.kind === 'Agent' && one.file.startsWith('clinic'))
      .map((one) => one.metadata.name);
    expect(names.toSorted()).toEqual([
      'billing',
      'documentation',
      'onboarding',
      'receptionist',
      'receptionist-builder',
      'sales',
      'support',
    ]);
  });
});

describe('references', () => {
  test.each([...bundles])(
    'bundle %s names models and tools that exist, within the ceiling of its agent',
    (_name, bundle) => {
      const agent = agentSpecSchema.parse(agents.get(bundle.agent));
      const { start, backup, planner } = bundle.models;
      for (const model of [start, backup, planner, bundle.verifier.model]) {
        if (model !== undefined) expect([...models.keys()]).toContain(model);
      }
      const allowed = agent.permissions.map((permission) => permission.tool);
      for (const tool of bundle.tools) {
        expect([...tools.keys()]).toContain(tool);
        expect(allowed).toContain(tool);
      }
    },
  );

  test.each([...tools])(
    'tool %s is one of the clinic server, with the same effect and required arguments',
    (name, tool) => {
      const served = clinicTools.find((candidate) => candidate.name === name);
      expect(served?.effect).toBe(tool.effect);
      expect(tool.input['required'] ?? []).toEqual(served?.input['required']);
      const properties = (served?.input['properties'] ?? {}) as object;
      expect(Object.keys((tool.input['properties'] ?? {}) as object).toSorted()).toEqual(
        Object.keys(properties).toSorted(),
      );
      const query = tool.onAmbiguous?.query?.tool;
      if (query !== undefined) expect(tools.get(query)?.effect).toBe('read');
    },
  );

  test.each([...models])('every expression of the script of %s compiles', (_name, model) => {
    for (const reply of model.scripted?.replies ?? []) {
      if (reply.when !== undefined) expect(compile(reply.when, scriptVariables)).toHaveProperty('kind', 'Program');
      const { text = '', json = {}, calls = [] } = reply;
      expect(checkTemplate({ text, json, calls }, scriptVariables)).toEqual([]);
    }
  });
});

interface Story {
  readonly end: string;
  readonly path: readonly string[];
  readonly repairs: number;
  readonly confidences: readonly number[];
  readonly effects: readonly string[];
}

/** Plays a workflow with scripts and real tools: plan, act, verify, transition; permissions and policies are not played. */
function play(workflow: string, input: JsonObject, clinic = new Clinic(openClinic(':memory:'))): Story {
  const spec = workflows.get(workflow) as WorkflowSpec;
  const run = { id: 'r1', namespace: 'clinic', workflow };
  let facts: JsonObject = {};
  let state = spec.start;
  const path = [state];
  const confidences: number[] = [];
  let repairs = 0;
  for (let step = 0; step < 20; step += 1) {
    const definition = spec.states[state];
    if (definition === undefined) throw new Error(`no state ${state}`);
    if (definition.type === 'terminal' || definition.type === 'approval') break;
    let result: JsonObject = {};
    if (definition.type === 'task') {
      const goal = interpolate(definition.goal ?? '', { input, facts, run });
      expect(goal.kind, JSON.stringify(goal)).toBe('Value');
      const played = playTask({
        agent: definition.agent ?? '',
        state,
        input,
        facts,
        run,
        clinic,
        tools: definition.tools,
      });
      ({ result } = played);
      repairs += played.repairs;
      confidences.push(played.confidence);
      facts = { ...facts, ...result };
    }
    const next = spec.transitions.find((transition) => {
      if (transition.from !== state) return false;
      if (transition.when === undefined) return true;
      const held = evaluateBoolean(transition.when, { input, facts, result, run });
      if (!held.ok) throw new Error(`${transition.when}: ${held.message}`);
      return held.value;
    });
    state = next?.to ?? 'nowhere';
    path.push(state);
  }
  const { rows, duplicates } = clinic.effects();
  expect(duplicates).toBe(0);
  return { end: state, path, repairs, confidences, effects: rows.map((row) => String(row['tool'])) };
}

interface TaskGiven {
  readonly agent: string;
  readonly state: string;
  readonly input: JsonObject;
  readonly facts: JsonObject;
  readonly run: JsonObject;
  readonly clinic: Clinic;
  readonly tools: readonly string[] | undefined;
}

function playTask(given: TaskGiven): { result: JsonObject; repairs: number; confidence: number } {
  const bundle = bundles.get(agents.get(given.agent)?.bundleRef.name ?? '') as BundleSpec;
  const script = models.get(bundle.models.start)?.scripted?.replies ?? [];
  const turns: Turn[] = [];
  let feedback = '';
  let repairs = 0;
  for (let turn = 1; turn < 20; turn += 1) {
    const role = turn === 1 && bundle.prompts.planner !== undefined ? 'planner' : 'executor';
    const { agent, state, input, facts, run } = given;
    const calls = turns.flatMap((one) =>
      one.results.map(({ tool, args, outcome, result }) => ({ tool, args, outcome, result })),
    );
    const bindings = {
      role,
      agent,
      state,
      input,
      facts,
      run,
      calls,
      feedback,
      turn,
      attempt: 1,
      goal: '',
      result: null,
      lastText: '',
    };
    const answer = scriptedAnswer(script, bindings);
    if (answer.kind === 'None') throw new Error(answer.message);
    if (answer.reply.fail !== undefined) throw new Error(answer.reply.fail.message);
    if (answer.calls.length > 0) {
      turns.push(playCalls(given, turn, answer.calls));
      continue;
    }
    if (role === 'planner') continue;
    const result = JSON.parse(answer.text) as JsonObject;
    const failed = checkRules(bundle.verifier.rules ?? [], { result, facts, input, run, turns }).filter(
      (rule) => !rule.passed,
    );
    if (failed.length === 0) return { result, repairs, confidence: Number(answer.reply.confidence) };
    feedback = failed.map((rule) => rule.message).join('\n');
    repairs += 1;
  }
  throw new Error(`${given.agent} in ${given.state} never finished: ${feedback}`);
}

function playCalls(given: TaskGiven, turn: number, calls: readonly { tool: string; args: JsonObject }[]): Turn {
  const results = calls.map(({ tool, args }, index) => {
    expect(given.tools ?? [tool]).toContain(tool);
    const answer = given.clinic.call({ tool, args, key: `${given.state}-${turn}-${index}`, run: 'r1', via: 'http' });
    const result = answer.kind === 'Done' ? answer.result : { error: answer.error };
    return {
      id: `c${index}`,
      tool,
      args,
      outcome: answer.kind === 'Done' ? 'ok' : 'error',
      result,
    } as Turn['results'][number];
  });
  return { turn, role: 'executor', calls: results, results };
}

const inputOf = (name: string): JsonObject =>
  parse(readFileSync(join(root, 'clinic', 'inputs', `${name}.json`), 'utf8')) as JsonObject;

describe('stories', () => {
  test('onboarding passes through four different agents and goes live', () => {
    const story = play('clinician-onboarding', inputOf('onboarding'));
    expect(story.path).toEqual(['discovery', 'setup', 'activation', 'monitoring', 'live']);
    const spec = workflows.get('clinician-onboarding') as WorkflowSpec;
    const chain = story.path.slice(0, 4).map((state) => spec.states[state]?.agent);
    expect(new Set(chain).size).toBe(4);
    expect(story.effects).toEqual([
      'record-lead',
      'create-line',
      'configure-receptionist',
      'activate-clinician',
      'schedule-check-in',
    ]);
  });

  test('the slow set-up does the same', () => {
    expect(play('clinician-onboarding', inputOf('onboarding-worker-killed')).end).toBe('live');
  });

  test('a call ends in a booking, with confidence', () => {
    const story = play('patient-call', inputOf('call'));
    expect(story).toMatchObject({ end: 'booked', effects: ['book-appointment'], repairs: 0 });
    expect(Math.min(...story.confidences)).toBeGreaterThan(0.6);
  });

  test('a call that is not understood has a confidence below the threshold of the policy', () => {
    expect(play('patient-call', inputOf('call-unsure')).confidences[0]).toBeLessThan(0.6);
  });

  test('only the red-flag call holds words of the red-flag rule', () => {
    const patterns = policies.get('patient-safety')?.rules.find((rule) => rule.signal === 'redFlag')?.patterns ?? [];
    const flagged = (name: string): boolean =>
      patterns.some((pattern) => JSON.stringify(inputOf(name)).toLowerCase().includes(pattern));
    expect(['call', 'call-unsure', 'call-red-flag'].map(flagged)).toEqual([false, false, true]);
  });

  test('the first note is rejected, the repaired one is saved', () => {
    expect(play('visit-documentation', inputOf('note'))).toMatchObject({
      end: 'saved',
      repairs: 1,
      effects: ['save-note'],
    });
  });

  test.each([['invoice'], ['invoice-large']])('%s is collected once, with one receipt', (name) => {
    expect(play('billing', inputOf(name))).toMatchObject({ end: 'paid', effects: ['charge-account', 'send-receipt'] });
  });

  test('only the large invoice needs approval', () => {
    const { approveWhen = '' } = agents.get('billing')?.permissions.find((one) => one.tool === 'charge-account') ?? {};
    const asks = (name: string) => evaluateBoolean(approveWhen, { args: inputOf(name), input: {}, facts: {}, run: {} });
    expect([asks('invoice'), asks('invoice-large')]).toEqual([
      { ok: true, value: false },
      { ok: true, value: true },
    ]);
  });

  test('support unlocks a user; in the drill it fails, and its backup can do the same', () => {
    expect(play('support', inputOf('question'))).toMatchObject({ end: 'answered', effects: ['unlock-user'] });
    expect(() => play('support', inputOf('question-backup'))).toThrow('The model is overloaded.');
    const clinic = new Clinic(openClinic(':memory:'));
    const given = { state: 'resolve', input: inputOf('question-backup'), facts: {}, run: {}, clinic, tools: undefined };
    expect(playTask({ agent: 'onboarding', ...given }).result).toMatchObject({ solved: true });
  });
});

describe('the clinic server', () => {
  test('a repeated key is answered with the first result by an idempotent write only', () => {
    const clinic = new Clinic(openClinic(':memory:'));
    const book = {
      tool: 'book-appointment',
      args: { patientId: 'pat-1', slotId: 'slot-1' },
      key: 'k1',
      run: 'r1',
      via: 'http',
    } as const;
    expect(clinic.call(book)).toMatchObject({ kind: 'Done', replayed: false });
    expect(clinic.call(book)).toMatchObject({ kind: 'Done', replayed: true });
    expect(clinic.effects().duplicates).toBe(0);
    const transfer = { ...book, tool: 'transfer-call', key: 'k2', args: { callId: 'c', desk: 'nurse', reason: 'r' } };
    clinic.call(transfer);
    clinic.call(transfer);
    expect(clinic.effects()).toMatchObject({ duplicates: 1 });
    expect(clinic.effects().rows).toHaveLength(3);
  });

  test('a refused write leaves nothing behind', () => {
    const clinic = new Clinic(openClinic(':memory:'));
    const args = { accountId: 'acc-3', amountCents: 999_999, reason: 'r' };
    const answer = clinic.call({ tool: 'charge-account', args, key: 'k', run: 'r1', via: 'http' });
    expect(answer).toMatchObject({
      kind: 'Refused',
      status: 422,
      error: expect.stringContaining('only 3500 are open'),
    });
    expect(clinic.effects().rows).toEqual([]);
  });

  test('a fault meets the n-th call of its tool, once', () => {
    const clinic = new Clinic(openClinic(':memory:'));
    clinic.addFault({ tool: 'ping', nth: 2, kind: 'fail' });
    expect([
      clinic.takeFault('ping'),
      clinic.takeFault('read-visit'),
      clinic.takeFault('ping')?.kind,
      clinic.takeFault('ping'),
    ]).toEqual([undefined, undefined, 'fail', undefined]);
  });
});
