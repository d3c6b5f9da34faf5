// Owns: how the local control plane looks to people.
import type { LocalStatus, PodLine, ServerLine } from '../local-plane.ts';
import type { Work } from '../engine/system-status.ts';
import { workText } from './work.ts';
import { mebibytes, span } from './quantity.ts';
import { oneLine, type Paint, plain } from './style.ts';
import { type Column, table } from './table.ts';
import { wrap } from './width.ts';

export interface StatusOptions {
  readonly columns: number;
  readonly wide?: boolean;
  readonly paint?: Paint;
}

const number = (value: number | undefined): string => (value === undefined ? '-' : String(value));

const serverColumns: readonly Column<ServerLine>[] = [
  { title: 'SERVER', value: (row) => row.name },
  { title: 'VERSION', value: (row) => row.version, drop: 1 },
  { title: 'PID', value: (row) => number(row.pid), right: true },
  { title: 'PORT', value: (row) => number(row.port), right: true },
  { title: 'RESTARTS', value: (row) => number(row.restarts), right: true },
  { title: 'MEMORY', value: (row) => mebibytes(row.rssMiB), right: true },
  {
    title: 'STATE',
    value: (row) => row.state,
    shrinkTo: 12,
    tone: (row, paint) => (text) => paint(row.state === 'running' ? 'green' : 'yellow', text),
  },
];

const podColumns: readonly Column<PodLine>[] = [
  { title: 'NAMESPACE', value: (row) => row.namespace, shrinkTo: 9, drop: 2 },
  { title: 'POD', value: (row) => row.name },
  { title: 'ROLE', value: (row) => row.role, wide: true },
  {
    title: 'READY',
    value: (row) => (row.ready ? 'yes' : 'no'),
    tone: (row, paint) => (text) => paint(row.ready ? 'green' : 'yellow', text),
  },
  { title: 'RESTARTS', value: (row) => number(row.restarts), right: true },
  { title: 'MEMORY', value: (row) => mebibytes(row.rssMiB), right: true },
  { title: 'PID', value: (row) => number(row.pid), right: true, drop: 4 },
  { title: 'ADDRESS', value: (row) => row.ip ?? '-', wide: true },
  {
    title: 'STATE',
    value: (row) => row.reason ?? row.phase,
    shrinkTo: 7,
    drop: 3,
  },
];

/** `work`: what the engine says of itself. */
export function statusText(status: LocalStatus, options: StatusOptions, work?: Work): string {
  const paint = options.paint ?? plain;
  if (!status.running) return stopped(status);
  const sections = [
    heading(status, paint),
    table(status.servers, serverColumns, options).join('\n'),
    status.pods.length === 0 ? 'No pods run yet.' : table(status.pods, podColumns, options).join('\n'),
    ...(work === undefined ? [] : [workText(work, options)]),
    facts(status, paint, options.columns),
    next(status),
  ];
  return sections.join('\n\n');
}

function stopped(status: LocalStatus): string {
  return [
    `Instance ${status.instance} is not running (state: ${status.stateDir}).`,
    '',
    `next: signalbox up${flag(status)}`,
  ].join('\n');
}

function heading(status: LocalStatus, paint: Paint): string {
  const since = status.uptimeSeconds === undefined ? '' : ` for ${span(status.uptimeSeconds * 1000)}`;
  const supervisor =
    status.supervisorPid === undefined
      ? ''
      : ` (supervisor ${status.supervisorPid}, ${mebibytes(status.supervisorRssMiB)})`;
  return `${paint('bold', `Signalbox ${status.instance}`)} is running${since}${supervisor}`;
}

function facts(status: LocalStatus, paint: Paint, columns: number): string {
  const rows: readonly (readonly [string, string])[] = [
    ['NATS', natsWords(status, paint)],
    ['API server', status.kubeServer ?? '-'],
    ['bus', status.natsUrl ?? '-'],
    ['state', status.stateDir],
  ];
  return rows
    .map(([name, value]) => `${name.padEnd(12)}${wrap(value, columns - 12).join(`\n${' '.repeat(12)}`)}`)
    .join('\n');
}

function natsWords(status: LocalStatus, paint: Paint): string {
  const { nats } = status;
  if (nats === undefined) return paint('yellow', 'does not answer');
  if (!nats.jetstream) return paint('red', `${nats.version}: JetStream is off; no run can be journaled`);
  return nats.syncAlways
    ? `${nats.version}: on disk before it is acknowledged (sync_interval: always)`
    : paint('red', `${nats.version}: NOT durable: sync_interval is not "always"`);
}

/** What to type next depends on what is wrong, or on nothing being wrong. */
function next(status: LocalStatus): string {
  const server = status.servers.find((line) => line.state !== 'running');
  if (server !== undefined) return `next: see ${status.stateDir}/logs (${server.name}: ${oneLine(server.state)})`;
  const pod = status.pods.find((line) => !line.ready && line.phase !== 'Succeeded');
  if (pod !== undefined) return `next: signalbox logs ${pod.name} -n ${pod.namespace}${flag(status)} --tail 20`;
  const lines = [
    `next: export KUBECONFIG=$(signalbox kubeconfig${flag(status)} --write)`,
    '      kubectl get agents -A',
    '      signalbox runs, signalbox escalations',
  ];
  return lines.join('\n');
}

const flag = (status: LocalStatus): string => (status.instance === 'default' ? '' : ` --name ${status.instance}`);
