// Owns: the world of one trial while it is played: its state, its log, and which call meets which fault. The decisions are the
// core's; here is what changes.
import type { Json, JsonObject } from '../../api/messages/history.ts';
import type { Fault, Scenario } from '../../api/v1alpha1/scenario.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { faultAt } from '../../core/evaluation/faults.ts';
import type { ActedFault, WorldCall } from '../../core/evaluation/record.ts';
import { act, emptyWorld, type WorldAnswer, type WorldState } from '../../core/evaluation/world.ts';

/** A call that the gateway is about to make. */
export interface ComingCall {
  readonly tool: string;
  readonly spec: ToolSpec;
  readonly args: JsonObject;
  readonly key: string;
  readonly fault?: Fault;
}

export class TrialWorld {
  readonly scenario: Scenario;
  readonly #seed: number;
  readonly #occurrences = new Map<string, number>();
  readonly #acted = new Map<number, number>();
  #world: WorldState;
  #problem: string | undefined;

  constructor(scenario: Scenario, seed: number) {
    this.scenario = scenario;
    this.#seed = seed;
    this.#world = emptyWorld(scenario.world);
  }

  get state(): JsonObject {
    return this.#world.state;
  }

  get calls(): readonly WorldCall[] {
    return this.#world.calls;
  }

  get faults(): readonly ActedFault[] {
    return [...this.#acted].map(([fault, times]) => ({ fault, times }));
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** The first is kept. */
  trouble(problem: string): void {
    this.#problem ??= problem;
  }

  /** Counts the call; the fault that it meets has acted. */
  meet(place: { readonly tool: string } | { readonly model: string }): Fault | undefined {
    const name = JSON.stringify(place);
    const occurrence = (this.#occurrences.get(name) ?? 0) + 1;
    this.#occurrences.set(name, occurrence);
    const met = faultAt(this.scenario.faults ?? [], { ...place, occurrence }, this.#seed);
    if (met !== undefined) this.#acted.set(met.index, (this.#acted.get(met.index) ?? 0) + 1);
    return met?.fault;
  }

  act({ tool, spec, args, key, fault }: ComingCall): WorldAnswer {
    const acted = act(this.#world, this.scenario.world?.tools ?? [], {
      tool,
      effect: spec.effect,
      args,
      key,
      idempotent: spec.idempotency !== undefined,
      ...(fault === undefined ? {} : { fault: fault.type }),
    });
    this.#world = acted.world;
    if (acted.problem !== undefined) this.trouble(acted.problem);
    return acted.answer;
  }
}

/** The worlds of the trials that are played now, by namespace. */
export type Worlds = ReadonlyMap<string, TrialWorld>;

/** Of the run that a call is made for. */
export function worldOf(worlds: Worlds, run: Json | undefined): TrialWorld | undefined {
  const namespace = typeof run === 'object' ? (run as JsonObject | null)?.['namespace'] : undefined;
  return typeof namespace === 'string' ? worlds.get(namespace) : undefined;
}
