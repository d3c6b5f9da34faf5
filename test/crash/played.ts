// Owns: what every scenario is played with: its stage, how a run must have ended, and what is in the catalog meanwhile.
import type { ResolvedWorkflow } from '../../api/messages/catalog.ts';
import type { RunSummary } from '../../api/messages/history.ts';
import { buckets, catalogKeys } from '../../api/messages/subjects.ts';
import { stageNamespace } from '../support/gateway-stage.ts';
import type { RunStage } from '../support/run-stage.ts';
import { until } from '../support/until.ts';
import type { EffectTool } from './content.ts';
import type { Recording } from './recording.ts';
import type { Sink } from './sink.ts';

/** What a scenario is played on. */
export interface Played {
  readonly runs: RunStage;
  readonly sink: Sink;
  readonly recording: Recording;
}

/** How a run must have ended. */
export interface Ending {
  readonly run: string;
  readonly outcome: string;
  /** The tools that must have acted exactly once; where it is ambiguous, at most once. */
  readonly tools: readonly EffectTool[];
  /** Questions to people, the one about an ambiguous effect aside; absent: any. */
  readonly questions?: number;
  /** Decisions that were taken, the one about an ambiguous effect aside. */
  readonly decisions: number;
}

export interface Scenario {
  /** Starts the run; asked twice it is the same. */
  begin(stage: Played, run: string): Promise<void>;
  /** Does what the run waits for and resolves when everything is closed. */
  finish(stage: Played, run: string): Promise<readonly Ending[]>;
}

export const CLOSED_MS = 90_000;
export const plain = { outcome: 'success', tools: [], questions: 0, decisions: 0 } as const;

/** Waits until the run is closed; answers each question that comes up meanwhile. */
export async function closing(
  stage: Played,
  run: string,
  answer: (escalation: string) => Promise<void> = async (escalation) => {
    throw new Error(`nobody should be asked, but ${escalation} is open`);
  },
): Promise<void> {
  await until(
    `run ${run} is closed`,
    async () => {
      const summary = await stage.runs.engine<RunSummary>('show', { run, namespace: stageNamespace });
      if (summary.status === 'Closed') return summary;
      if (summary.escalation !== undefined) await answer(summary.escalation);
      return undefined;
    },
    CLOSED_MS,
  );
}

/** As the operator publishes it. */
export async function declare({ runs }: Played, workflow: ResolvedWorkflow): Promise<void> {
  await until(
    `workflow ${workflow.name} is published`,
    async () => {
      const catalog = await runs.control.bucket<unknown>(buckets.catalog);
      await catalog.put(catalogKeys.workflowAt(workflow.digest), workflow);
      await catalog.put(catalogKeys.workflow(stageNamespace, workflow.name), workflow);
      return true;
    },
    CLOSED_MS,
  );
}

export async function withdraw({ runs }: Played, name: string): Promise<void> {
  await until(
    `workflow ${name} is withdrawn`,
    async () => {
      const catalog = await runs.control.bucket<unknown>(buckets.catalog);
      await catalog.delete(catalogKeys.workflow(stageNamespace, name));
      return true;
    },
    CLOSED_MS,
  );
}
