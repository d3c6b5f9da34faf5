// Owns: what a measurement of scale says: a table for each part, and the page RESULTS.md.
import type { Concurrent } from './concurrent.ts';
import type { Long } from './long.ts';
import type { Waiting } from './waiting.ts';

export interface ScaleReport {
  readonly at: string;
  readonly machine: string;
  readonly fdatasyncMs: number;
  /** Of the machine's last minute, before anything was started here. */
  readonly load: number;
  readonly waiting?: Waiting;
  readonly concurrent?: Concurrent;
  readonly long?: Long;
}

type Rows = readonly (readonly [string, string])[];

const shown = (value: number, unit = ''): string => {
  const text = value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2);
  return unit === '' ? text : `${text} ${unit}`;
};
const duration = (ms: number): string => (ms >= 1_000 ? shown(ms / 1_000, 's') : shown(ms, 'ms'));

const waitingRows = (of: Waiting): Rows => [
  ['starts per second', shown(of.startsPerSecond)],
  ['… over the last tenth', shown(of.startsPerSecondLast)],
  ['one start of 256 at once, p50 / p99', `${duration(of.startP50Ms)} / ${duration(of.startP99Ms)}`],
  ['engine, before and with all waiting', `${shown(of.engineMiBBefore, 'MiB')}, ${shown(of.engineMiB, 'MiB')}`],
  ['… bytes per waiting run', shown(of.engineBytesPerRun)],
  ['nats-server, before and with all waiting', `${shown(of.natsMiBBefore, 'MiB')}, ${shown(of.natsMiB, 'MiB')}`],
  ['… bytes per waiting run', shown(of.natsBytesPerRun)],
  ['streams on disk', shown(of.diskMiB, 'MiB')],
  ['streams in memory', shown(of.memoryStreamsMiB, 'MiB')],
  ['checkpoints kept', of.checkpointMiB === 0 ? 'none' : shown(of.checkpointMiB, 'MiB')],
  ['… made, and time of one', of.checkpoints === 0 ? 'none' : `${of.checkpoints}, ${duration(of.checkpointMs)}`],
  ['bound of the heap', shown(of.heapMiB, 'MiB')],
  ['kill -9 of the engine to the first answer about a run', duration(of.takeoverFirstMs)],
  ['… until every partition answers', duration(of.takeoverAllMs)],
  ['the engine that took over, just afterwards', shown(of.engineMiBAfterTakeover, 'MiB')],
  ['bus event to the end of its run, p50 / p99', `${duration(of.wakeP50Ms)} / ${duration(of.wakeP99Ms)}`],
];

const concurrentRows = (of: Concurrent): Rows => [
  ['starts per second', shown(of.startsPerSecond)],
  [
    'engine, before, with all under way, at most',
    `${shown(of.engineMiBBefore, 'MiB')}, ${shown(of.engineMiB, 'MiB')}, ${shown(of.engineMiBPeak, 'MiB')}`,
  ],
  ['nats-server with all under way', shown(of.natsMiB, 'MiB')],
  ['runs per second to their end', shown(of.runsPerSecond)],
  ['steps per second, each durable', shown(of.stepsPerSecond)],
  ['one step with its wait in line, p50 / p99', `${duration(of.stepP50Ms)} / ${duration(of.stepP99Ms)}`],
  ['asking for a run meanwhile, p50 / p99', `${duration(of.showP50Ms)} / ${duration(of.showP99Ms)}`],
];

const longRows = (of: Long): Rows => [
  ['events per second, one after the other, each durable', shown(of.eventsPerSecond)],
  ['points where folding may begin', shown(of.continuations)],
  ['size of the history', shown(of.historyMiB, 'MiB')],
  ['reading it whole', `${duration(of.readMs)} in ${of.pages} pages`],
  ['asking for the run', duration(of.showMs)],
  ['kill -9 of the engine to the first answer about it', duration(of.takeoverMs)],
  ['engine, before and afterwards', `${shown(of.engineMiBBefore, 'MiB')}, ${shown(of.engineMiB, 'MiB')}`],
];

function section(title: string, rows: Rows): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length));
  const line = (name: string, value: string): string => `| ${name.padEnd(width)} | ${value.padStart(valueWidth)} |`;
  const rule = `| ${'-'.repeat(width)} | ${'-'.repeat(valueWidth - 1)}: |`;
  return [`## ${title}`, '', line('', ''), rule, ...rows.map(([name, value]) => line(name, value))].join('\n');
}

export function table({ waiting, concurrent, long }: ScaleReport): string {
  const sections: string[] = [];
  if (waiting !== undefined) sections.push(section(`${shown(waiting.runs)} runs that wait`, waitingRows(waiting)));
  if (concurrent !== undefined) {
    sections.push(section(`${shown(concurrent.runs)} runs under way`, concurrentRows(concurrent)));
  }
  if (long !== undefined) sections.push(section(`One run with ${shown(long.events)} events`, longRows(long)));
  return sections.join('\n\n');
}

export const page = (report: ScaleReport): string => `# Scale on one machine

Written by \`make scale WRITE=1\` on ${report.at} UTC: ${report.machine}; one fdatasync ${shown(report.fdatasyncMs, 'ms')}; load before the start ${shown(report.load)}.
nats-server, engines, workers and whoever asks share the machine. \`sync_interval: always\`, two partitions, one replica. Memory is the proportional set size. A lease of 3 s is part of each takeover.

${table(report)}
`;
