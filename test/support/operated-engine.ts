// Owns: the operator and a real engine under test: what somebody applies, until the engine knows it; runs, until they are closed.
import { afterAll, beforeAll } from 'vitest';
import { connectNats } from '../../adapters/nats/nats.ts';
import type { HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import { runIdFor } from '../../core/workflow/partition.ts';
import { type Engine, startEngine } from '../../runtime/engine/engine.ts';
import { resultOf } from '../../runtime/engine/forward.ts';
import { loadReceiptKey } from '../../runtime/receipts.ts';
import { enginePorts } from './engine-ports.ts';
import { objectIn, readyReason, type Told } from './kubectl.ts';
import { type OperatorStage, operatorStage } from './operator-stage.ts';
import { until } from './until.ts';

export const namespace = 'clinic';
/** For what somebody tells somebody else. */
export const soonMs = 60_000;
export const object = objectIn(namespace);
export const ending = { yes: { type: 'terminal', outcome: 'success' }, no: { type: 'terminal', outcome: 'failed' } };

export interface OperatedEngine {
  readonly stage: OperatorStage;
  readonly engine: Engine;
  readonly kubectl: (...args: readonly string[]) => Promise<string>;
  readonly get: (what: string) => Promise<Told | undefined>;
  /** Reason of the condition Ready. */
  readonly ready: (what: string) => Promise<string | undefined>;
  /** What the engine knows of a workflow, when it is another one than `before`. */
  readonly known: (workflow: string, before?: string) => Promise<string>;
  readonly begin: (workflow: string, count?: number) => Promise<readonly string[]>;
  readonly show: (run: string) => Promise<RunSummary>;
  readonly history: (run: string) => Promise<readonly HistoryEvent[]>;
  readonly outcomes: (runs: readonly string[]) => Promise<readonly (string | undefined)[]>;
}

/** Starts all of it before the tests of a file and stops it after them. */
export function operatedEngine(): OperatedEngine {
  const stage = operatorStage({ engine: true });
  let engine: Engine | undefined;
  const ends: (() => Promise<unknown>)[] = [];
  const started = (): Engine => {
    if (engine === undefined) throw new Error('the engine is there in tests only');
    return engine;
  };
  beforeAll(async () => {
    const { natsUrl: url, users } = stage.plane.nats;
    const buses = {
      control: await connectNats({ url, ...users.engine, name: 'engine' }),
      work: await connectNats({ url, ...users['engine-work'], name: 'engine' }),
    };
    const ports = await enginePorts(buses, { name: 'engine', receiptKey: await loadReceiptKey(buses.control) });
    const running = startEngine(ports, { name: 'engine', partitions: 4 });
    engine = running;
    ends.push(
      () => running.stop(),
      () => buses.control.close(),
      () => buses.work.close(),
    );
    await stage.plane.kubectl(['create', 'namespace', namespace]);
  });
  afterAll(async () => {
    for (const end of ends) await end();
  });
  const kubectl = (...args: readonly string[]): Promise<string> => stage.plane.kubectl(['-n', namespace, ...args]);
  const get = (what: string): Promise<Told | undefined> => stage.get(namespace, what);
  const ready = async (what: string): Promise<string | undefined> => readyReason(await get(what));
  const known = (workflow: string, before?: string): Promise<string> =>
    until(
      `the engine knows ${workflow}`,
      async () => {
        const digest = started().catalog.workflow(namespace, workflow)?.digest;
        return digest === undefined || digest === before ? undefined : digest;
      },
      soonMs,
    );
  let begun = 0;
  async function begin(workflow: string, count = 1): Promise<readonly string[]> {
    const runs: string[] = [];
    for (let at = 0; at < count; at += 1) {
      const id = `id-${(begun += 1)}`;
      const run = runIdFor(namespace, workflow, id);
      const request = { run, namespace, workflow, input: { id }, requestedBy: 'ann', source: 'http', key: id };
      resultOf(await started().owners.ask<RunSummary>(run, 'start', request));
      runs.push(run);
    }
    return runs;
  }
  const show = async (run: string): Promise<RunSummary> =>
    resultOf(await started().owners.ask<RunSummary>(run, 'show', { run }));
  const history = async (run: string): Promise<readonly HistoryEvent[]> =>
    resultOf(await started().owners.ask<{ events: readonly HistoryEvent[] }>(run, 'history', { run })).events;
  const outcomes = (runs: readonly string[]): Promise<readonly (string | undefined)[]> =>
    until(
      'the runs are closed',
      async () => {
        const all = await Promise.all(runs.map(show));
        return all.every(({ status }) => status === 'Closed') ? all.map(({ outcome }) => outcome) : undefined;
      },
      soonMs,
    );
  return {
    stage,
    get engine() {
      return started();
    },
    kubectl,
    get,
    ready,
    known,
    begin,
    show,
    history,
    outcomes,
  };
}
