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
  const query = run === undefined ? '' : `?run=${encodeURIComponent(run)}`;
  return (await ask(stage, `/effects${query}`)) as Effects;
}

/** The next call of the tool acts, and then its connection breaks before the answer: nobody knows what happened. */
export async function breakNextAnswer(stage: Stage, tool: string): Promise<void> {
  await ask(stage, '/faults', { tool, nth: 1, kind: 'resetAfter' });
}

async function ask(stage: Stage, path: string, body?: unknown): Promise<unknown> {
  const base = await stage.plane.serviceUrl({ name: stage.instance, namespace, service: 'clinic-tools' });
  const answer = await fetch(base + path, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json' },
    signal: AbortSignal.timeout(10_000),
  });
  if (!answer.ok) throw new SignalboxError('TOOL_FAILED', `${path} of the clinic answered ${answer.status}`);
  return answer.json();
}
