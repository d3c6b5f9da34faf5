import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { HistoryEvent } from '../../api/messages/history.ts';
import { coloured } from '../output/style.ts';
import { widthOf } from '../output/width.ts';
import { narrate } from './narrate.ts';
import { renderEntries } from './render.ts';

const read = (name: string): readonly HistoryEvent[] => {
  const text = readFileSync(new URL(`../golden/${name}.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { events: HistoryEvent[] }).events;
};

const page = (name: string, columns = 80, whole = false): string => {
  const events = read(name);
  return `${renderEntries(narrate(events, whole), { columns, startedAt: events[0]?.at ?? 0 }).join('\n')}\n`;
};

describe('a trace', () => {
  test.each(['billing', 'every-kind'])('of %s reads well at 80 columns', async (name) => {
    await expect(page(name)).toMatchFileSnapshot(`../golden/${name}.trace.txt`);
  });

  test.each([40, 60, 80, 120])('fits %i columns', (columns) => {
    for (const name of ['billing', 'every-kind']) {
      for (const line of page(name, columns).split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(columns);
    }
  });

  test('has one entry per event, in order', () => {
    const events = read('billing');
    expect(narrate(events).map((entry) => entry.seq)).toEqual(events.map((event) => event.seq));
  });

  test('says when another worker goes on with an attempt', () => {
    const [, second] = read('billing').filter((event) => event.type === 'TurnCompleted');
    if (second?.type !== 'TurnCompleted') throw new Error('no second turn');
    const entries = narrate([second, { ...second, seq: second.seq + 1, worker: 'w9' }]);
    expect(entries[1]?.details[0]).toBe(`worker w9 took over from ${second.worker}, after its last turn`);
  });

  test('cuts long values, and shows them whole when asked', () => {
    expect(page('every-kind')).toContain('…');
    expect(page('every-kind', 80, true)).not.toContain('…');
  });

  test('never lets the text of a person or model reach the terminal as a control sequence', () => {
    expect(JSON.stringify(read('billing'))).toContain('\\u001b[31m');
    expect(page('billing')).not.toContain('\u001b');
    expect(page('billing')).toContain('\\u001b[31m');
  });

  test('uses colour only when told to', () => {
    const events = read('billing');
    const lines = renderEntries(narrate(events), { columns: 80, startedAt: 0, paint: coloured });
    expect(lines.join('')).toContain('\u001b[32m✓');
  });
});
