// Owns: the shape of a scene: one run that shows one promise, and how it is judged by the journal and by the clinic itself.
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import type { EffectRow } from './clinic.ts';
import type { Stage } from './stage.ts';

export interface Shown {
  readonly scene: Scene;
  readonly run: RunSummary;
  readonly history: readonly HistoryEvent[];
  readonly effects: readonly EffectRow[];
  /** Repeated writes of this run. */
  readonly duplicates: number;
}

/** One fact that must hold in the end. */
export interface Fact {
  readonly expected: string;
  readonly found: (shown: Shown) => string;
  readonly holds: (shown: Shown) => boolean;
}

export interface Scene {
  readonly name: string;
  readonly workflow: string;
  /** File in inputs/, without its ending. */
  readonly input: string;
  /** Manifest in runs/ of a WorkflowRun with this input; absent: the run starts over HTTP. */
  readonly object?: string;
  /** What is to be seen, in a few words. */
  readonly says: string;
  /** What happens to the run or is done for it while it goes on. Resolves with a remark. */
  readonly act?: (stage: Stage, run: string) => Promise<string>;
  /** True when nothing more is to come. */
  readonly settled: (run: RunSummary) => boolean;
  readonly facts: readonly Fact[];
}

export const closed = (run: RunSummary): boolean => run.status === 'Closed';

export const outcomeIs = (outcome: string): Fact => ({
  expected: `outcome ${outcome}`,
  found: ({ run }) => `${run.outcome ?? run.status} in state ${run.state}: ${run.message}`,
  holds: ({ run }) => run.outcome === outcome,
});

/** The writes at the clinic, in any order; none twice. */
export const effectsAre = (...tools: readonly string[]): Fact => ({
  expected: `exactly these writes at the clinic: ${tools.join(', ') || 'none'}`,
  found: ({ effects }) => effects.map((row) => row.tool).join(', ') || 'none',
  holds: ({ effects, duplicates }) =>
    duplicates === 0 &&
    [...tools].toSorted().join() ===
      effects
        .map((row) => row.tool)
        .toSorted()
        .join(),
});

export const queueIs = (queue: string): Fact => ({
  expected: `one escalation, in the queue ${queue}`,
  found: (shown) => queuesOf(shown).join(', ') || 'no escalation',
  holds: (shown) => queuesOf(shown).join() === queue,
});

export const countIs = (type: HistoryEvent['type'], count: number): Fact => ({
  expected: `${count} × ${type} in the journal`,
  found: ({ history }) => `${history.filter((event) => event.type === type).length}`,
  holds: ({ history }) => history.filter((event) => event.type === type).length === count,
});

export function queuesOf({ history }: Pick<Shown, 'history'>): readonly string[] {
  return history.flatMap((event) => (event.type === 'EscalationOpened' ? [event.escalation.queue] : []));
}

export function agentsOf({ history }: Pick<Shown, 'history'>): readonly string[] {
  return [...new Set(history.flatMap((event) => (event.type === 'ActivityScheduled' ? [event.agent] : [])))];
}
