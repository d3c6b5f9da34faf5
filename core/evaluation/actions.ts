// Owns: which expected actions were done by which calls, in their partial order.
//   A1: a call stands for one action only. As many actions as possible are matched; among those, as few as possible out of order.
//   A2: the search is bounded; beyond the bound the best that was found counts.
import type { JsonObject } from '../../api/messages/history.ts';
import type { ExpectedAction } from '../../api/v1alpha1/scenario-expectation.ts';
import type { PlayedCall } from './calls.ts';
import { matches, shown, words } from './match.ts';
import { at } from './pointer.ts';

export interface ActionResult {
  readonly id: string;
  readonly tool: string;
  /** Positions in the list of calls. */
  readonly calls: readonly number[];
  readonly wanted: number;
  /** Actions that should have come before it and did not. */
  readonly before: readonly string[];
  /** More such calls than `times` allows. */
  readonly tooMany: number;
  /** A call of the tool whose arguments do not fit, in words: why nothing was matched. */
  readonly nearest?: string;
}

/** Steps of the search. */
const stepsMax = 20_000;

interface Slot {
  readonly action: ExpectedAction;
  /** Positions of calls that fit. */
  readonly fits: readonly number[];
}

export function matchActions(
  actions: readonly ExpectedAction[],
  calls: readonly PlayedCall[],
): readonly ActionResult[] {
  const fitting = new Map(actions.map((action) => [action.id, fitsOf(action, calls)]));
  const slots = actions.flatMap((action) =>
    Array.from({ length: action.times ?? 1 }, (): Slot => ({ action, fits: fitting.get(action.id) ?? [] })),
  );
  const chosen = assign(slots);
  const positions = (id: string): readonly number[] =>
    slots.flatMap(({ action }, index) => (action.id === id ? (chosen[index] ?? []) : []));
  const taken = new Set(chosen.filter((position) => position !== undefined));
  return actions.map((action) => {
    const mine = positions(action.id);
    const first = Math.min(...mine);
    const late = (action.after ?? []).filter((id) => mine.length > 0 && !positions(id).some((other) => other < first));
    const spare = (fitting.get(action.id) ?? []).filter((position) => !taken.has(position)).length;
    const nearest = mine.length < (action.times ?? 1) ? nearestOf(action, calls, taken) : undefined;
    return {
      id: action.id,
      tool: action.tool,
      calls: mine,
      wanted: action.times ?? 1,
      before: late,
      tooMany: action.times === undefined ? 0 : spare,
      ...(nearest === undefined ? {} : { nearest }),
    };
  });
}

/** Whether the arguments are what the action or the forbidden action names. */
export function fitsArgs(
  wanted: Partial<Pick<ExpectedAction, 'args' | 'exact' | 'ignore'>>,
  args: JsonObject,
): boolean {
  const named = Object.entries(wanted.args ?? {});
  if (!named.every(([name, matcher]) => matches(matcher, at(args, pointerTo(name))))) return false;
  if (wanted.exact !== true) return true;
  const allowed = new Set([...named.map(([name]) => topOf(name)), ...(wanted.ignore ?? [])]);
  return Object.keys(args).every((name) => allowed.has(name));
}

const pointerTo = (name: string): string =>
  name.startsWith('/') ? name : `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
const topOf = (name: string): string => (name.startsWith('/') ? (name.split('/')[1] ?? '') : name);

const fitsOf = (action: ExpectedAction, calls: readonly PlayedCall[]): readonly number[] =>
  calls.flatMap((call, position) =>
    call.tool === action.tool && call.outcomes.includes(action.outcome ?? 'ok') && fitsArgs(action, call.args)
      ? [position]
      : [],
  );

interface Search {
  readonly slots: readonly Slot[];
  steps: number;
  best: readonly (number | undefined)[];
  score: number;
}

/** For each slot the position of its call. */
function assign(slots: readonly Slot[]): readonly (number | undefined)[] {
  const search: Search = { slots, steps: 0, best: slots.map(() => undefined), score: -1 };
  // First those with the least choice: few steps lead to the best.
  const order = slots.map((_, index) => index).toSorted((left, right) => choice(slots, left) - choice(slots, right));
  explore(
    search,
    order,
    slots.map(() => undefined),
  );
  return search.best;
}

const choice = (slots: readonly Slot[], index: number): number => slots[index]?.fits.length ?? 0;

function explore(search: Search, order: readonly number[], chosen: (number | undefined)[]): void {
  const { slots } = search;
  const left = order[0];
  if (left === undefined) {
    const score = scoreOf(slots, chosen);
    if (score > search.score) Object.assign(search, { score, best: [...chosen] });
    return;
  }
  const free = (slots[left]?.fits ?? []).filter((position) => !chosen.includes(position));
  for (const position of [...free, undefined]) {
    // Nothing is better than all slots in order; without a call only when there is none, or all else was looked at.
    if (search.score === 2 * slots.length || (search.steps += 1) > stepsMax) return;
    chosen[left] = position;
    explore(search, order.slice(1), chosen);
    chosen[left] = undefined;
  }
}

/** Two points for each that is matched, one of them lost when it came too early. */
function scoreOf(slots: readonly Slot[], chosen: readonly (number | undefined)[]): number {
  let score = 0;
  for (const [index, position] of chosen.entries()) {
    if (position === undefined) continue;
    const after = slots[index]?.action.after ?? [];
    const inOrder = after.every((id) =>
      slots.some((slot, other) => slot.action.id === id && (chosen[other] ?? Infinity) < position),
    );
    score += inOrder ? 2 : 1;
  }
  return score;
}

function nearestOf(
  action: ExpectedAction,
  calls: readonly PlayedCall[],
  taken: ReadonlySet<number>,
): string | undefined {
  const candidates = calls.filter((call, position) => call.tool === action.tool && !taken.has(position));
  const fitting = candidates.find((call) => fitsArgs(action, call.args));
  if (fitting !== undefined) return `such a call ended with ${fitting.outcomes.at(-1) ?? 'no report'}`;
  const made = candidates.find((call) => call.outcomes.includes(action.outcome ?? 'ok')) ?? candidates[0];
  if (made === undefined) return undefined;
  const wrong = Object.entries(action.args ?? {})
    .filter(([name, matcher]) => !matches(matcher, at(made.args, pointerTo(name))))
    .map(([name, matcher]) => `${name} is ${shown(at(made.args, pointerTo(name)))}, expected ${words(matcher)}`);
  return wrong.length > 0 ? wrong.join('; ') : `it was called with ${shown(made.args)}`;
}
