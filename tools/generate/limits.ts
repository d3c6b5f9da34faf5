// Owns: the registry of limits that somebody may meet, and their page. A value is read from the code that holds it, so that the
// page cannot say another one; a bound that is gone from the code fails the generation.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Limit {
  /** As `signalbox status -o json` names it, where it shows it. */
  readonly name: string;
  /** `file#constant` that holds the value; absent: nothing is bounded unless somebody declares it. */
  readonly where?: string;
  readonly unit: string;
  /** What happens at the bound. */
  readonly meeting: string;
  readonly metric?: string;
  /** How somebody changes it or helps himself. */
  readonly change: string;
}

const inCode = 'fixed';
const room = '`signalbox status`; a checkpoint makes room; else enlarge the stream';

export const limits: readonly Limit[] = [
  {
    name: 'openRuns',
    unit: 'runs of a namespace that have not ended',
    meeting:
      'starts are answered `OVERLOADED` (HTTP 429, retry-after); WorkflowRuns, schedules and events wait and are tried again; children and fallback workflows are never refused',
    metric: 'signalbox_engine_starts_refused_total',
    change:
      'annotation `signalbox.dev/max-open-runs` of the Namespace, else `SIGNALBOX_NAMESPACE_OPEN_RUNS` of the engine; default none',
  },
  {
    name: 'startsPerMinute',
    unit: 'runs that a namespace starts in any 60 s',
    meeting: 'as above, with the time until the next',
    metric: 'signalbox_engine_starts_refused_total',
    change:
      'annotation `signalbox.dev/max-starts-per-minute` of the Namespace, else `SIGNALBOX_NAMESPACE_STARTS_PER_MINUTE` of the engine; default none',
  },
  {
    name: 'callsPerMinute',
    unit: 'calls of a tool or model in any 60 s, over all gateways of the namespace',
    meeting:
      'further calls wait, at most as long as their activity has; then `TOOL_UNAVAILABLE` or `MODEL_UNAVAILABLE`',
    metric: 'signalbox_gateway_calls_total',
    change: '`limits.perMinute` of the Tool, `limits.requestsPerMinute` of the Model; default none',
  },
  {
    name: 'journalStarts',
    where: 'runtime/engine/room.ts#startsUpTo',
    unit: 'share of a partition’s journal',
    meeting: 'new runs are refused with `JOURNAL_FULL` (HTTP 429), so that running ones can end',
    metric: 'signalbox_engine_journal_fullness',
    change: room,
  },
  {
    name: 'journalWork',
    where: 'runtime/engine/room.ts#workUpTo',
    unit: 'share of a partition’s journal',
    meeting:
      'new tasks, signals and events are refused or wait; decisions, cancels, freezes and compensations are written',
    metric: 'signalbox_engine_journal_fullness',
    change: room,
  },
  {
    name: 'journal',
    where: 'adapters/nats/admin.ts#journalBytesMax',
    unit: 'bytes of a partition’s journal',
    meeting: 'nothing more is taken: `JOURNAL_FULL`',
    metric: 'signalbox_engine_journal_bytes',
    change: room,
  },
  {
    name: 'checkpoints',
    where: 'adapters/nats/admin.ts#checkpointBytesMax',
    unit: 'bytes of a partition’s checkpoints',
    meeting: 'no checkpoint is made, and the journal fills',
    metric: 'signalbox_engine_checkpoint_bytes',
    change: 'enlarge the stream `CHECKPOINT_<p>`',
  },
  {
    name: 'archive',
    where: 'adapters/nats/admin.ts#archiveBytesMax',
    unit: 'bytes of a partition’s archive',
    meeting: 'no checkpoint is made, and the journal fills',
    metric: 'signalbox_engine_archive_bytes',
    change: 'fewer closed runs (`SIGNALBOX_CLOSED_HOURS`), or enlarge the stream `ARCHIVE_<p>`',
  },
  {
    name: 'ledger',
    where: 'adapters/nats/admin.ts#ledgerBytesMax',
    unit: 'bytes of the effect ledger',
    meeting: 'no effect is begun',
    change: 'fewer closed runs (`SIGNALBOX_CLOSED_HOURS`), or enlarge the stream `LEDGER`',
  },
  {
    name: 'deadLetters',
    where: 'core/dead-letter/letter.ts#lettersMax',
    unit: 'letters of all namespaces',
    meeting: 'what cannot be handled stays where it is, and its producers feel it (`OVERLOADED`)',
    metric: 'signalbox_dead_letters',
    change: '`signalbox deadletters list`, `retry`, `drop`',
  },
  {
    name: 'deliveries',
    where: 'runtime/engine/bus-events.ts#deliveriesMax',
    unit: 'deliveries of a bus event that fails',
    meeting: 'it is a dead letter and asks people',
    metric: 'signalbox_dead_letters',
    change: '`signalbox deadletters list`',
  },
  {
    name: 'workersLost',
    where: 'core/workflow/poison.ts#lostMax',
    unit: 'workers in a row that an activity has not survived',
    meeting: 'the attempt fails as poison, and is a dead letter',
    metric: 'signalbox_dead_letters',
    change: '`signalbox deadletters list --reason poison`',
  },
  {
    name: 'parkedRuns',
    where: 'runtime/engine/parked.ts#toldMax',
    unit: 'runs of a partition whose question to people is shown',
    meeting: 'more stand still without a question each; all are counted',
    change: 'a newer engine; `signalbox status`, `signalbox escalations`',
  },
  {
    name: 'runsAtWork',
    where: 'core/journal/writer.ts#recordsWaitingMax',
    unit: 'commit records of a partition that wait for the disk',
    meeting: 'requests are answered `TIMEOUT` and tried again',
    metric: 'signalbox_engine_request_seconds',
    change: 'a faster disk, more partitions (at install)',
  },
  {
    name: 'record',
    where: 'core/journal/writer.ts#recordBytesMax',
    unit: 'bytes of one commit record',
    meeting: 'the next one begins',
    change: inCode,
  },
  {
    name: 'field',
    where: 'adapters/nats/large-fields.ts#fieldBytesMax',
    unit: 'bytes of one field of an event',
    meeting: 'it lies in the object store, by digest',
    change: inCode,
  },
  {
    name: 'input',
    where: 'runtime/engine/start.ts#inputBytesMax',
    unit: 'bytes of a run’s input',
    meeting: '`INVALID_INPUT` (HTTP 400)',
    change: 'put it elsewhere and pass where it is',
  },
  {
    name: 'requests',
    where: 'runtime/engine/control.ts#parallelMax',
    unit: 'requests of one verb at work in a partition',
    meeting: 'they wait in a line',
    metric: 'signalbox_engine_requests_total',
    change: inCode,
  },
  {
    name: 'requestsWaiting',
    where: 'adapters/nats/serve.ts#waitingMax',
    unit: 'requests in that line',
    meeting: '`OVERLOADED`',
    metric: 'signalbox_engine_requests_total',
    change: inCode,
  },
  {
    name: 'starts',
    where: 'runtime/engine/engine.ts#startsMax',
    unit: 'starts over NATS at work in an engine',
    meeting: 'they wait in a line, then `OVERLOADED`',
    change: 'more engines',
  },
  {
    name: 'keptSignals',
    where: 'core/workflow/signal.ts#keptMax',
    unit: 'signals of a run that no state has taken',
    meeting: 'the next one is refused',
    change: '`signalbox run show`: a state that waits for them',
  },
  {
    name: 'rememberedSignals',
    where: 'core/workflow/fold-incoming.ts#rememberedMax',
    unit: 'ids of signals that a run recognises',
    meeting: 'the oldest is forgotten',
    change: inCode,
  },
  {
    name: 'history',
    where: 'core/workflow/limits.ts#historyMax',
    unit: 'events of a run that one state has made',
    meeting: 'the run freezes and asks people',
    metric: 'signalbox_engine_runs',
    change: '`signalbox escalations`; `HistoryContinued` begins anew in each later state',
  },
  {
    name: 'visits',
    where: 'api/v1alpha1/workflow-state.ts#maxVisitsDefault',
    unit: 'visits of a state',
    meeting: 'the run takes exits.error, or fails',
    change: '`maxVisits` of the state',
  },
  {
    name: 'depth',
    where: 'core/workflow/limits.ts#depthMax',
    unit: 'runs below one another',
    meeting: 'the child is not started and counts as failed',
    change: inCode,
  },
  {
    name: 'scheduleOpen',
    where: 'core/schedule/plan.ts#openMax',
    unit: 'runs of a schedule that are watched for overlap',
    meeting: 'older ones count as ended',
    metric: 'signalbox_engine_schedule_starts_total',
    change: '`signalbox schedule list`',
  },
  {
    name: 'toolParallel',
    where: 'runtime/gateway/tool-call.ts#parallelMax',
    unit: 'calls of one tool at once, of one gateway',
    meeting: 'further calls wait',
    metric: 'signalbox_gateway_calls_total',
    change: inCode,
  },
  {
    name: 'callsWaiting',
    where: 'runtime/gateway/shared-rate.ts#waitingMax',
    unit: 'calls that wait for one tool or model',
    meeting: 'the next one is refused as unavailable',
    metric: 'signalbox_gateway_calls_total',
    change: '`limits` of the Tool or Model',
  },
  {
    name: 'result',
    where: 'runtime/gateway/tool-call.ts#inlineMax',
    unit: 'bytes of a tool’s result',
    meeting: 'the call has failed',
    change: '`limits.maxResultBytes` of the Tool lowers it',
  },
  {
    name: 'page',
    where: 'runtime/engine/http/api.ts#limitMax',
    unit: 'runs in one page of a list',
    meeting: 'the rest comes with `next`',
    change: inCode,
  },
  {
    name: 'wait',
    where: 'runtime/engine/endings.ts#waitMsMax',
    unit: 'ms that a look waits for the end',
    meeting: 'it is answered as it is',
    change: inCode,
  },
];

const root = join(import.meta.dirname, '../..');

/** The number that the code holds. @throws Error when it is not there. */
export function valueOf(where: string): number {
  const [file = '', name = ''] = where.split('#');
  const text = readFileSync(join(root, file), 'utf8');
  const found = new RegExp(`\\b${name}(?: =|:| \\?\\?) ([0-9_.]+|GiB)((?: \\* (?:[0-9_.]+|GiB))*)[;,)\\n]`).exec(text);
  if (found === null) throw new Error(`${file} has no number ${name}: the limit has moved or is gone`);
  const factors = `${found[1]}${found[2]}`.split(' * ');
  return factors.reduce(
    (product, factor) => product * (factor === 'GiB' ? 1_073_741_824 : Number(factor.replaceAll('_', ''))),
    1,
  );
}

const grouped = (value: number): string =>
  Number.isInteger(value) ? String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',') : `${value * 100} %`;

/** Title, introduction, head and rows of the page. */
export function limitRows(): readonly (readonly string[])[] {
  return limits.map(({ name, where, unit, meeting, metric, change }) => [
    `\`${name}\``,
    where === undefined ? 'as declared' : grouped(valueOf(where)),
    unit,
    meeting,
    metric === undefined ? '' : `\`${metric}\``,
    change,
  ]);
}
