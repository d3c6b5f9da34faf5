// Owns: what the clinic's own server says: which writes it has made, and for which run.
import { SignalboxError } from '../../api/errors.ts';
import type { Stage } from './stage.ts';
import { namespace } from './stage.ts';

export interface EffectRow {
  readonly run: string;
  readonly tool: string;
  readonly key: string | null;
  readonly args: unknown;
}

export interface Effects {
  readonly rows: readonly EffectRow[];
  /** Writes that repeat another: same key, or same run, tool and arguments. */
  readonly duplicates: number;
}

/** Every write, or those of one run. */
export async function readEffects(stage: Stage, run?: string): Promise<Effects> {
  const base = await stage.plane.serviceUrl({ name: stage.instance, namespace, service: 'clinic-tools' });
  const query = run === undefined ? '' : `?run=${encodeURIComponent(run)}`;
  const answer = await fetch(`${base}/effects${query}`, { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new SignalboxError('TOOL_FAILED', `GET /effects of the clinic answered ${answer.status}`);
  return (await answer.json()) as Effects;
}
