import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CommitRecord, HistoryEvent } from '../../api/messages/history.ts';
import { eventsText, recordText, textOf, together } from './record-text.ts';

const event = (seq: number, state: string): HistoryEvent => ({
  type: 'StateEntered',
  seq,
  at: 1,
  cause: 'test',
  state,
  visit: 1,
});
const bytesOf = (text: string): number => Buffer.byteLength(text);

describe('the text of a record', () => {
  test('reads back as the record, whatever the events say', () => {
    const states = fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), states), (runs) => {
        const record: CommitRecord = {
          v: 1,
          id: 'r"1',
          owner: 'engine',
          epoch: 7,
          prev: 'abc',
          runs: Object.entries(runs).map(([run, names]) => ({ run, events: names.map((name, at) => event(at, name)) })),
        };
        const { id, text, eventBytesMax } = textOf(record);
        expect(id).toBe(record.id);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(record)));
        for (const one of record.runs.flatMap(({ events }) => events)) {
          expect(bytesOf(JSON.stringify(one))).toBeLessThanOrEqual(eventBytesMax);
        }
      }),
    );
  }, 60_000);

  test('events of a run that came apart stay in their order', () => {
    const runs = new Map([
      ['a', together(together(undefined, eventsText([event(1, 'x')])), eventsText([event(2, 'y')]))],
    ]);
    const { text } = recordText({ v: 1, id: 'r1', owner: 'e', epoch: 0 }, runs);
    expect((JSON.parse(text) as CommitRecord).runs).toEqual([{ run: 'a', events: [event(1, 'x'), event(2, 'y')] }]);
  });

  test.each(['plain', 'größer', '病歷', '🚂🚃'])('counts at least the bytes of "%s"', (name) => {
    const { text, bytes, count } = eventsText([event(1, name), event(2, name)]);
    expect(bytes).toBeGreaterThanOrEqual(bytesOf(text));
    expect(count).toBe(2);
  });
});
