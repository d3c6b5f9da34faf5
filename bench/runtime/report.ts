// Owns: what a benchmark says: a table, the ratios against Restate, and the page RESULTS.md.
import type { Latency, Recovery, Throughput, Waiting } from './driver.ts';
import { total } from './driver.ts';

/** What was measured of one peer in one round. */
export interface Round {
  readonly load: number;
  readonly latency?: Latency;
  readonly throughput50?: Throughput;
  readonly throughput200?: Throughput;
  readonly recovery?: Recovery | undefined;
  readonly waiting?: Waiting | undefined;
}

export interface Row {
  readonly peer: string;
  readonly durability: string;
  readonly versions: string;
  readonly rounds: readonly Round[];
  /** Why there is nothing, or not everything. */
  readonly missing?: string;
}

export interface Report {
  readonly at: string;
  readonly machine: string;
  readonly fdatasyncMs: number;
  readonly settings: string;
  readonly rows: readonly Row[];
}

type Pick = (round: Round) => number | undefined;

const measures: Readonly<Record<string, Pick>> = {
  'latency p50 ms': (round) => round.latency?.p50,
  'latency p99 ms': (round) => round.latency?.p99,
  'runs/s, 50 in flight': (round) => round.throughput50?.perSecond,
  'runs/s, 200 in flight': (round) => round.throughput200?.perSecond,
  'p50 ms at 200': (round) => round.throughput200?.p50,
  'p99 ms at 200': (round) => round.throughput200?.p99,
  'CPU ms/run at 200': (round) => round.throughput200?.cpuMsPerRun,
  '… server': (round) => round.throughput200?.cpuMsOf.server,
  '… worker': (round) => round.throughput200?.cpuMsOf.worker,
  '… driver': (round) => round.throughput200?.cpuMsOf.driver,
  'fsyncs/step at 200': (round) => round.throughput200?.durableWritesPerStep,
  'recovery p50 ms': (round) => round.recovery?.p50,
  'recovery max ms': (round) => round.recovery?.max,
  'waiting runs': (round) => round.waiting?.runs,
  'MiB before': (round) => (round.waiting === undefined ? undefined : total(round.waiting.before)),
  'MiB with waiting': (round) => (round.waiting === undefined ? undefined : total(round.waiting.after)),
  '… server MiB': (round) => round.waiting?.after.server,
  '… worker MiB': (round) => round.waiting?.after.worker,
  'starts/s': (round) => round.waiting?.startsPerSecond,
  load: (round) => round.load,
};

/** The middle of what the rounds gave. */
function middle(row: Row, pick: Pick): number | undefined {
  const values = row.rounds.flatMap((round) => pick(round) ?? []).toSorted((left, right) => left - right);
  return values[Math.floor(values.length / 2)];
}

const shown = (value: number | undefined): string => {
  if (value === undefined || Number.isNaN(value)) return '–';
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 10 ? 1 : 2);
};

export function table({ rows }: Report): string {
  const head = ['', ...rows.map(({ peer }) => peer)];
  const lines = Object.entries(measures).map(([name, pick]) => [name, ...rows.map((row) => shown(middle(row, pick)))]);
  const widths = head.map((_, at) => Math.max(...[head, ...lines].map((line) => line[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(Math.max(2, width) - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...lines.map(line)].join('\n');
}

export interface Ratios {
  readonly latencyP50: number | null;
  readonly throughput200: number | null;
  readonly cpuPerRun: number | null;
  readonly recovery: number | null;
  readonly memoryWaiting: number | null;
}

/** Ours ÷ Restate's; null where one of them was not measured. */
export function ratios({ rows }: Report): Ratios {
  const of = (name: keyof typeof measures): number | null => {
    const pick = measures[name];
    const [ours, theirs] = ['signalbox', 'restate'].map((peer) => {
      const row = rows.find((candidate) => candidate.peer === peer);
      return row === undefined || pick === undefined ? undefined : middle(row, pick);
    });
    return ours === undefined || theirs === undefined ? null : Math.round((ours / theirs) * 1_000) / 1_000;
  };
  return {
    latencyP50: of('latency p50 ms'),
    throughput200: of('runs/s, 200 in flight'),
    cpuPerRun: of('CPU ms/run at 200'),
    recovery: of('recovery p50 ms'),
    memoryWaiting: of('MiB with waiting'),
  };
}

const goals: Readonly<Record<keyof Ratios, { readonly text: string; readonly met: (ratio: number) => boolean }>> = {
  latencyP50: { text: 'at most 0.5', met: (ratio) => ratio <= 0.5 },
  throughput200: { text: 'at least 4', met: (ratio) => ratio >= 4 },
  cpuPerRun: { text: 'at most 0.5', met: (ratio) => ratio <= 0.5 },
  recovery: { text: 'at most 1', met: (ratio) => ratio <= 1 },
  memoryWaiting: { text: 'at most 1', met: (ratio) => ratio <= 1 },
};

export function verdicts(report: Report): string {
  const lines = Object.entries(ratios(report)).map(([name, ratio]) => {
    const goal = goals[name as keyof Ratios];
    const verdict = ratio === null ? 'not measured' : goal.met(ratio as number) ? 'met' : 'not met';
    return `| ${name} | ${ratio === null ? '–' : String(ratio)} | ${goal.text} | ${verdict} |`;
  });
  return ['| ours ÷ Restate | ratio | goal | |', '| --- | ---: | --- | --- |', ...lines].join('\n');
}

export const notes = ({ rows }: Report): string =>
  rows
    .map(({ peer, durability, versions, missing }) => {
      const gap = missing === undefined ? '' : ` **Missing:** ${missing}`;
      return `- **${peer}** (${versions === '' ? 'not started' : versions}): ${durability}.${gap}`;
    })
    .join('\n');

export function page(report: Report): string {
  return `# Side by side: five durable steps

Written by \`make bench-runtime WRITE=1\`, ${report.at}. Never edited by hand.

Machine: ${report.machine}; one write of 8 KiB with fdatasync takes ${report.fdatasyncMs.toFixed(2)} ms. ${report.settings}

${table(report)}

${verdicts(report)}

What each counts as durable:

${notes(report)}

How to read it: one run is five no-op steps, one after another, each returning 200 bytes. Latency: one run at a time. In
flight: a closed loop, warmed under the same concurrency. CPU: server, worker and driver together. fsyncs: messages stored in
file streams of nats-server, which fsyncs each. Recovery: from \`kill -9\` of the worker in a step of one second to the end of
the run, less that second; another worker starts at once. Memory: proportional set size of server and worker with that many
runs waiting for an event, the lower of two looks. Every figure is the median of the rounds; the order rotates. Driver, worker
and server share the machine, which has to be quiet: with others on it every figure is worse, and the ratios move, since our
engine is one thread. Our engine and worker have the heaps of their manifests and pods. No peer was tuned. DBOS has no server:
its application runs in the worker and is asked over HTTP. Temporal is its development server; slow engines do fewer runs in
the same time. Where a goal is not met, the profile that shows why is in docs/adr/0002-durable-runtime.md, Performance.
`;
}
