// Owns: whether everything ended right: from the recorded history, the sink's own log, and what people are shown.
import type { EscalationRecord, HistoryEvent, RunSummary } from '../../api/messages/history.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { stageNamespace } from '../support/gateway-stage.ts';
import { until } from '../support/until.ts';
import type { EffectTool } from './content.ts';
import type { Ending, Played } from './played.ts';

export interface Verdict {
  /** What is wrong; empty when all is well. */
  readonly wrong: readonly string[];
  /** Effects beyond the first. */
  readonly duplicates: number;
  /** Effects that nobody knows of, each asked of a person. */
  readonly ambiguous: number;
}

export async function judge(stage: Played, ending: Ending): Promise<Verdict> {
  const events = await stage.runs.history(ending.run);
  const ambiguous = openedFor(events, 'ambiguousEffect').length;
  const acted = ending.tools.map((tool) => ({ tool, times: stage.sink.acted(tool, ending.run) }));
  const wrong = [
    ...faultsIn(events, ending),
    ...acted.flatMap((one) => effectsOf(one, ambiguous)),
    ...(await shownOf(stage, ending.run, events)),
  ];
  const duplicates = acted.reduce((sum, { times }) => sum + Math.max(0, times - 1), 0);
  return { wrong: wrong.map((what) => `${ending.run}: ${what}`), duplicates, ambiguous };
}

/** What is wrong with a closed run, from its history alone. */
export function faultsIn(events: readonly HistoryEvent[], ending: Ending): readonly string[] {
  const ambiguous = openedFor(events, 'ambiguousEffect').length;
  return [...orderOf(events), ...onceOnly(events), ...endOf(events, ending, ambiguous)];
}

type Of<T extends HistoryEvent['type']> = Extract<HistoryEvent, { type: T }>;
const all = <T extends HistoryEvent['type']>(events: readonly HistoryEvent[], type: T): readonly Of<T>[] =>
  events.filter((event): event is Of<T> => event.type === type);

const openedFor = (events: readonly HistoryEvent[], signal: string): readonly Of<'EscalationOpened'>[] =>
  all(events, 'EscalationOpened').filter(({ escalation }) => escalation.signal === signal);

function orderOf(events: readonly HistoryEvent[]): readonly string[] {
  const seqs = events.map(({ seq }) => seq);
  const whole = seqs.every((seq, index) => seq === index + 1);
  return [
    ...(whole ? [] : [`events are lost, doubled or out of place: ${seqs.join(' ')}`]),
    ...(events[0]?.type === 'RunStarted' ? [] : ['it does not begin with RunStarted']),
    ...(events.at(-1)?.type === 'RunClosed' ? [] : ['it does not end with RunClosed']),
  ];
}

/** Facts of which there may be one for each key. */
function onceOnly(events: readonly HistoryEvent[]): readonly string[] {
  const attempt = ({ activity, attempt }: { activity: string; attempt: number }): string => `${activity}/${attempt}`;
  const keys = [
    ...all(events, 'RunStarted').map(({ type }) => type),
    ...all(events, 'RunClosed').map(({ type }) => type),
    ...all(events, 'CancelRequested').map(({ type }) => type),
    ...all(events, 'ActivityScheduled').map((event) => `${event.type} ${attempt(event)}`),
    ...all(events, 'ActivityFailed').map((event) => `${event.type} ${attempt(event)}`),
    ...all(events, 'ActivityCompleted').map((event) => `${event.type} ${event.activity}`),
    ...all(events, 'TurnProposed').map(
      (event) => `${event.type} ${attempt(event)}/${event.turn.turn}/${event.turn.results.length}`,
    ),
    ...all(events, 'EscalationOpened').map((event) => `${event.type} ${event.escalation.digest}`),
    ...all(events, 'EscalationDecided').map((event) => `${event.type} ${event.id}`),
    ...all(events, 'EscalationExpired').map((event) => `${event.type} ${event.id}`),
    ...all(events, 'ApprovalConsumed').map((event) => `${event.type} ${event.id}`),
    ...all(events, 'ChildClosed').map((event) => `${event.type} ${event.run}`),
    ...all(events, 'CompensationCompleted').map((event) => `${event.type} ${event.of}`),
    ...all(events, 'BusEventReceived').map((event) => `${event.type} ${event.id}`),
  ];
  return keys.filter((key, index) => keys.indexOf(key) !== index).map((key) => `${key} happened twice`);
}

function endOf(events: readonly HistoryEvent[], ending: Ending, ambiguous: number): readonly string[] {
  const outcome = all(events, 'RunClosed')[0]?.outcome;
  const asked = all(events, 'EscalationOpened').length - ambiguous;
  const decided = all(events, 'EscalationDecided').length - ambiguous;
  return [
    ...(outcome === ending.outcome ? [] : [`it ended ${outcome}, not ${ending.outcome}`]),
    ...(asked === (ending.questions ?? asked) ? [] : [`${asked} questions were asked, not ${ending.questions}`]),
    ...(decided === ending.decisions ? [] : [`${decided} decisions were taken, not ${ending.decisions}`]),
  ];
}

function effectsOf({ tool, times }: { tool: EffectTool; times: number }, ambiguous: number): readonly string[] {
  const knows = tool === 'pay-key' || tool === 'pay-query';
  return [
    ...(times > 1 ? [`${tool} acted ${times} times`] : []),
    ...(times === 0 && (knows || ambiguous === 0) ? [`${tool} did not act`] : []),
    ...(knows && ambiguous > 0 ? [`${tool} can be asked or repeated, but a person was`] : []),
  ];
}

const SHOWN_MS = 60_000;

/** What people see catches up with the journal. A run that ended soon and asked nobody need not be shown. */
async function shownOf(stage: Played, run: string, events: readonly HistoryEvent[]): Promise<readonly string[]> {
  try {
    await until(
      'the projection of the closed run',
      async () => {
        const runs = await stage.runs.control.bucket<RunSummary>(buckets.runs);
        const escalations = await stage.runs.control.bucket<EscalationRecord>(buckets.escalations);
        const shown = (await runs.get(`${stageNamespace}.${run}`))?.value;
        if (shown === undefined && all(events, 'EscalationOpened').length === 0) return true;
        if (shown?.status !== 'Closed' || shown.seq !== events.at(-1)?.seq) return undefined;
        for (let number = 1; number <= shown.escalations; number += 1) {
          const id = `${run}-${number}`.toLowerCase();
          const record = (await escalations.get(`${stageNamespace}.${id}`))?.value;
          if (record === undefined || record.status === 'Open') return undefined;
        }
        return true;
      },
      SHOWN_MS,
    );
    return [];
  } catch (error) {
    return [`what people see is not the journal: ${String(error)}`];
  }
}
