// Owns: what is left on the screen in the end: the table of runs, what to type next, or what went wrong.
import type { Host } from '../host.ts';
import { money, span } from '../output/quantity.ts';
import { standing } from '../output/run.ts';
import { type Column, table } from '../output/table.ts';
import { wrap } from '../output/width.ts';
import { queuesOf, type Shown } from './scene.ts';
import { type DemoFailure, namespace } from './stage.ts';

/** The last line with --json. */
export interface Result {
  readonly agentsReady: number;
  readonly runs: readonly RunResult[];
  readonly escalations: number;
  readonly seconds: number;
  readonly ok: boolean;
}

export interface RunResult {
  readonly name: string;
  readonly workflow: string;
  /** How it ended; `waiting` while a person is asked. */
  readonly outcome: string;
  readonly escalated: boolean;
  readonly effects: number;
  readonly duplicates: number;
  readonly costMicros: number;
  readonly seconds: number;
}

const seconds = (ms: number): number => Math.round(ms / 100) / 10;

export function runResult({ scene, run, effects, duplicates }: Shown, now: number): RunResult {
  return {
    name: scene.name,
    workflow: scene.workflow,
    outcome: run.status === 'Closed' ? (run.outcome ?? 'closed') : run.status.toLowerCase(),
    escalated: run.escalations > 0,
    effects: effects.length,
    duplicates,
    costMicros: run.costMicros,
    seconds: seconds((run.closedAt ?? now) - run.startedAt),
  };
}

export function resultOf(
  shown: readonly Shown[],
  given: { readonly agentsReady: number; readonly ok: boolean; readonly now: number; readonly began: number },
): Result {
  return {
    agentsReady: given.agentsReady,
    runs: shown.map((one) => runResult(one, given.now)),
    escalations: shown.reduce((sum, { run }) => sum + run.escalations, 0),
    seconds: seconds(given.now - given.began),
    ok: given.ok,
  };
}

export function runTable(shown: readonly Shown[], host: Host): string {
  const now = host.clock.now();
  const columns: readonly Column<Shown>[] = [
    { title: 'RUN', value: ({ scene }) => scene.name },
    { title: 'WORKFLOW', value: ({ scene }) => scene.workflow, shrinkTo: 12 },
    {
      title: 'OUTCOME',
      value: ({ run }) => standing(run),
      tone:
        ({ run }, paint) =>
        (text) =>
          paint(run.outcome === 'success' ? 'green' : 'yellow', text),
    },
    { title: 'COST', value: ({ run }) => money(run.costMicros), right: true },
    { title: 'ESCALATED', value: (one) => queuesOf(one).join(' ') || '-' },
    { title: 'EFFECTS', value: ({ effects }) => String(effects.length), right: true },
    { title: 'DUP', value: ({ duplicates }) => String(duplicates), right: true },
    { title: 'TOOK', value: ({ run }) => span((run.closedAt ?? now) - run.startedAt), right: true },
  ];
  return table(shown, columns, { columns: host.screen.columns, paint: host.screen.paint }).join('\n');
}

/** What to type next, while the plane is up. */
export function nextSteps(shown: readonly Shown[], instance: string): readonly string[] {
  const at = `-n ${namespace}`;
  const find = (name: string): Shown | undefined => shown.find(({ scene }) => scene.name === name);
  const note = find('note')?.run.run;
  const waiting = find('red-flag')?.run.escalation?.toLowerCase();
  return [
    'export PATH="$PWD/bin:$PATH"',
    `export KUBECONFIG=$(signalbox kubeconfig --name ${instance} --write)`,
    ...(note === undefined ? [] : [`signalbox trace ${note} ${at}`]),
    `signalbox escalations ${at}`,
    ...(waiting === undefined ? [] : [`signalbox decide ${waiting} reject ${at} --reason "We called."`]),
    `signalbox explain receptionist ${at}`,
    `signalbox status --name ${instance}`,
    `signalbox down --name ${instance}`,
  ];
}

/** What was expected, what was found, and where to look. */
export function explainFailure(host: Host, failure: DemoFailure, logs: string): void {
  const { screen } = host;
  const block = (title: string, text: string): void => {
    const lines = wrap(text, screen.columns - 12);
    screen.print(`  ${screen.paint('red', title.padEnd(9))} ${lines.join(`\n${' '.repeat(12)}`)}`);
  };
  screen.print(`\n${screen.paint('red', 'The demo failed.')}`);
  block('expected', failure.expected);
  block('found', failure.found);
  block('logs', logs);
}
