// Owns: the text of a commit record. An event is encoded once, when it is decided; a record is joined from such texts.
import type { CommitRecord, HistoryEvent } from '../../api/messages/history.ts';

/** A record as it is written. */
export interface RecordText {
  readonly id: string;
  readonly text: string;
  /** No event in it takes more bytes than this. */
  readonly eventBytesMax: number;
}

/** Events of one run, in order. */
export interface EventsText {
  readonly text: string;
  readonly count: number;
  readonly bytes: number;
  readonly eventBytesMax: number;
}

export function eventsText(events: readonly HistoryEvent[]): EventsText {
  const texts = events.map((event) => JSON.stringify(event));
  const sizes = texts.map(bytesAtMost);
  const bytes = sizes.reduce((sum, size) => sum + size + 1, 0);
  return { text: texts.join(','), count: texts.length, bytes, eventBytesMax: Math.max(0, ...sizes) };
}

/** Events of the same run, the later ones after. */
export const together = (before: EventsText | undefined, after: EventsText): EventsText =>
  before === undefined
    ? after
    : {
        text: `${before.text},${after.text}`,
        count: before.count + after.count,
        bytes: before.bytes + after.bytes,
        eventBytesMax: Math.max(before.eventBytesMax, after.eventBytesMax),
      };

export function recordText(head: Omit<CommitRecord, 'runs'>, runs: ReadonlyMap<string, EventsText>): RecordText {
  let eventBytesMax = 0;
  const texts: string[] = [];
  for (const [run, events] of runs) {
    texts.push(`{"run":${JSON.stringify(run)},"events":[${events.text}]}`);
    eventBytesMax = Math.max(eventBytesMax, events.eventBytesMax);
  }
  const text = `${JSON.stringify(head).slice(0, -1)},"runs":[${texts.join(',')}]}`;
  return { id: head.id, text, eventBytesMax };
}

/** For a record that is known as a whole. */
export function textOf({ runs, ...head }: CommitRecord): RecordText {
  return recordText(head, new Map(runs.map(({ run, events }) => [run, eventsText(events)])));
}

const ascii = /^\p{ASCII}*$/u;

/** Exact but for other alphabets: a character takes at most three bytes. */
const bytesAtMost = (text: string): number => (ascii.test(text) ? text.length : 3 * text.length);
