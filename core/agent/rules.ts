// Owns: a bundle's verifier rules. A rule that cannot be evaluated has failed: nothing is committed on a doubt.
import type { JsonObject, Turn, Verification } from '../../api/messages/history.ts';
import type { VerifierRule } from '../../api/v1alpha1/bundle.ts';
import { evaluateBoolean } from '../cel/cel.ts';
import { callsOf } from './prompt.ts';

export interface RuleFacts {
  readonly result: JsonObject;
  readonly facts: JsonObject;
  readonly input: JsonObject;
  readonly run: JsonObject;
  readonly turns: readonly Turn[];
}

/** Every rule with its verdict; a failed one says why. */
export function checkRules(rules: readonly VerifierRule[], given: RuleFacts): Verification['rules'] {
  const { result, facts, input, run, turns } = given;
  const bindings = { result, facts, input, run, calls: callsOf(turns) };
  return rules.map((rule) => {
    const held = evaluateBoolean(rule.cel, bindings);
    if (held.ok && held.value) return { name: rule.name, passed: true };
    const why = held.ok ? `rule does not hold: ${rule.cel}` : `rule could not be evaluated: ${held.message}`;
    return { name: rule.name, passed: false, message: rule.message ?? why };
  });
}

/** What the executor is told; undefined when every rule passed. */
export function ruleFeedback(rules: Verification['rules']): string | undefined {
  const failed = rules.filter((rule) => !rule.passed);
  if (failed.length === 0) return undefined;
  return failed.map((rule) => `${rule.name}: ${rule.message ?? 'failed'}`).join('\n');
}

/**
 * What the executor is told by rules that plainly do not hold, before anything is asked of a verifier. A rule that cannot be
 * evaluated here (a worker does not know all of the run) is left to the engine, which evaluates all of them again.
 */
export function plainFailures(rules: readonly VerifierRule[], given: RuleFacts): string | undefined {
  const { result, facts, input, run, turns } = given;
  const bindings = { result, facts, input, run, calls: callsOf(turns) };
  const failed = rules.filter((rule) => {
    const held = evaluateBoolean(rule.cel, bindings);
    return held.ok && !held.value;
  });
  return failed.length === 0 ? undefined : ruleFeedback(checkRules(failed, given));
}

/** Variable `run` outside of the engine: the members of the engine's own that do not change while an activity is at work. */
export function runVariable(run: {
  readonly id: string;
  readonly namespace: string;
  readonly workflow: string;
  readonly state: string;
  readonly key?: string;
  readonly requestedBy?: string;
}): JsonObject {
  const { id, namespace, workflow, state, key, requestedBy } = run;
  return {
    id,
    namespace,
    workflow,
    state,
    ...(key === undefined ? {} : { key }),
    ...(requestedBy === undefined ? {} : { requestedBy }),
  };
}
