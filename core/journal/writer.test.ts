import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CommitRecord, HistoryEvent } from '../../api/messages/history.ts';
import type { Reaction } from '../workflow/draft.ts';
import type { RunState } from '../workflow/state.ts';
import { type NextRecord, PartitionWriter, recordBytesMax } from './writer.ts';

const serving = (): PartitionWriter => {
  const writer = new PartitionWriter({ partition: 3, owner: 'engine-1' });
  writer.serve();
  return writer;
};
/** A cause that enters a state with this name: one event. */
const enter =
  (name: string) =>
  (state: RunState | undefined): Reaction<string> => {
    const event: HistoryEvent = {
      type: 'StateEntered',
      seq: (state?.seq ?? 0) + 1,
      at: 1,
      cause: name,
      state: name,
      visit: 1,
    };
    return { events: [event], reply: name };
  };
const look = (state: RunState | undefined): Reaction<string> => ({ events: [], reply: state?.state ?? 'nothing' });
const read = (next: NextRecord | undefined): CommitRecord | undefined =>
  next === undefined ? undefined : (JSON.parse(next.record.text) as CommitRecord);
const names = (next: NextRecord | undefined): readonly string[] =>
  (read(next)?.runs ?? []).map(({ run, events }) => `${run}:${events.map((event) => event.cause).join('+')}`);

describe('tickets', () => {
  test('an event alone is written at once; the next ones share the record that fills meanwhile', () => {
    const writer = serving();
    expect(writer.submit('a', enter('one'))).toEqual({ reply: 'one', ticket: 1 });
    const first = writer.next('r1');
    expect(first?.expectedSeq).toBe(0);
    expect(names(first)).toEqual(['a:one']);
    expect(writer.submit('a', enter('two')).ticket).toBe(2);
    expect(writer.submit('b', enter('three')).ticket).toBe(2);
    expect(writer.submit('a', enter('four')).ticket).toBe(2);
    expect(writer.next('r2')).toBeUndefined();
    expect(writer.appended(1)).toEqual({ ticket: 1, seq: 1, runs: ['a'], events: 1 });
    const second = writer.next('r2');
    expect(second?.expectedSeq).toBe(1);
    expect(read(second)).toMatchObject({ v: 1, id: 'r2', owner: 'engine-1', epoch: 0, prev: '' });
    expect(names(second)).toEqual(['a:two+four', 'b:three']);
    expect(writer.idle).toBe(false);
    expect(writer.appended(2)).toEqual({ ticket: 2, seq: 2, runs: ['a', 'b'], events: 3 });
    expect(writer.idle).toBe(true);
    expect([writer.recordsOf('a'), writer.recordsOf('b')]).toEqual([[1, 2], [2]]);
  });

  test('a look at what is no fact yet waits for the commit it rests on; afterwards for nothing', () => {
    const writer = serving();
    expect(writer.submit('a', look)).toEqual({ reply: 'nothing', ticket: 0 });
    writer.submit('a', enter('one'));
    writer.next('r1');
    writer.submit('b', enter('two'));
    expect(writer.submit('a', look)).toEqual({ reply: 'one', ticket: 1 });
    expect(writer.submit('b', look)).toEqual({ reply: 'two', ticket: 2 });
    writer.appended(1);
    expect([writer.submit('a', look).ticket, writer.submit('b', look).ticket]).toEqual([0, 2]);
  });

  test('a record is bounded: what does not fit goes into the next', () => {
    const writer = serving();
    writer.submit('a', enter('one'));
    writer.next('r1');
    const long = 'x'.repeat(recordBytesMax * 0.3);
    expect(['b', 'c', 'd'].map((run) => writer.submit(run, enter(long)).ticket)).toEqual([2, 3, 4]);
  });
});

describe('giving up', () => {
  test.each(['failed', 'stop'] as const)('after %s nothing is taken or written', (end) => {
    const writer = serving();
    writer.submit('a', enter('one'));
    writer.next('r1');
    writer.submit('a', enter('two'));
    writer[end]();
    expect(writer.serving).toBe(false);
    expect(() => writer.submit('a', look)).toThrow(/partition 3 has no owner here/);
    expect(writer.next('r2')).toBeUndefined();
  });

  test('what was in flight may be a fact after stop, and never after failed', () => {
    const stopped = serving();
    stopped.submit('a', enter('one'));
    stopped.next('r1');
    expect(stopped.stop()).toBe(1);
    expect(stopped.appended(1)).toMatchObject({ ticket: 1 });
    const failed = serving();
    failed.submit('a', enter('one'));
    failed.next('r1');
    failed.failed();
    expect(() => failed.appended(1)).toThrow(/not given out/);
  });

  test('a cause that throws leaves no trace', () => {
    const writer = serving();
    const fails = (): Reaction<string> => {
      throw new Error('refused');
    };
    expect(() => writer.submit('a', fails)).toThrow('refused');
    expect(writer.state('a')).toBeUndefined();
    expect(writer.idle).toBe(true);
  });
});

describe('any order of causes, appends and crashes', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('enter' as const), run: fc.constantFrom('a', 'b', 'c') }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('look' as const), run: fc.constantFrom('a', 'b', 'c') }) },
    { weight: 4, arbitrary: fc.constant({ do: 'next' as const, run: '' }) },
    { weight: 4, arbitrary: fc.constant({ do: 'appended' as const, run: '' }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom({ do: 'crash' as const, run: '' }, { do: 'lostAnswer' as const, run: '' }),
    },
  );

  test('replies given rest on the journal, runs are gapless in it, and folding it again is the same state', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => {
        const world = new World();
        for (const { do: action, run } of steps) {
          world[action](run);
          if (world.journal.length > 1) seen.add(action);
        }
        world.settle();
        world.check();
      }),
      { numRuns: 500 },
    );
    expect([...seen].toSorted()).toEqual(['appended', 'crash', 'enter', 'look', 'lostAnswer', 'next'].toSorted());
  });

  /** A journal that is a list, and askers that remember what they were told. */
  class World {
    readonly journal: CommitRecord[] = [];
    writer = serving();
    #inFlight: CommitRecord | undefined;
    #waiting: { run: string; seq: number; ticket: number }[] = [];
    readonly #told: { run: string; seq: number }[] = [];
    #ids = 0;

    enter(run: string): void {
      this.#ask(run, enter(`c${this.#ids++}`));
    }

    look(run: string): void {
      this.#ask(run, look);
    }

    next(): void {
      const next = this.writer.next(`r${this.#ids++}`);
      if (next === undefined) return;
      expect(next.expectedSeq).toBe(this.journal.length);
      this.#inFlight = read(next);
    }

    appended(): void {
      if (this.#inFlight === undefined) return;
      this.journal.push(this.#inFlight);
      this.#inFlight = undefined;
      const { ticket } = this.writer.appended(this.journal.length);
      this.#told.push(...this.#waiting.filter((asked) => asked.ticket <= ticket));
      this.#waiting = this.#waiting.filter((asked) => asked.ticket > ticket);
    }

    /** The record was not stored. */
    crash(): void {
      this.writer.failed();
      this.#reload();
    }

    /** The record was stored, and nobody was told. */
    lostAnswer(): void {
      if (this.#inFlight !== undefined) this.journal.push(this.#inFlight);
      this.crash();
    }

    settle(): void {
      this.appended();
      for (this.next(); this.#inFlight !== undefined; this.next()) this.appended();
    }

    check(): void {
      const folded = new PartitionWriter({ partition: 3, owner: 'engine-2' });
      for (const [index, record] of this.journal.entries()) folded.fold(index + 1, record);
      for (const run of ['a', 'b', 'c']) {
        expect(folded.state(run)).toEqual(this.writer.state(run));
        expect(folded.recordsOf(run)).toEqual(this.writer.recordsOf(run));
        const seqs = this.journal.flatMap((record) =>
          record.runs.filter((entry) => entry.run === run).flatMap((entry) => entry.events.map((event) => event.seq)),
        );
        expect(seqs).toEqual(seqs.map((_, index) => index + 1));
      }
      for (const { run, seq } of this.#told) expect(folded.state(run)?.seq ?? 0).toBeGreaterThanOrEqual(seq);
    }

    #ask(run: string, react: (state: RunState | undefined) => Reaction<string>): void {
      const { ticket } = this.writer.submit(run, react);
      const asked = { run, seq: this.writer.state(run)?.seq ?? 0, ticket };
      if (ticket === 0) this.#told.push(asked);
      else this.#waiting.push(asked);
    }

    #reload(): void {
      this.#inFlight = undefined;
      this.#waiting = [];
      this.writer = new PartitionWriter({ partition: 3, owner: 'engine-1' });
      for (const [index, record] of this.journal.entries()) this.writer.fold(index + 1, record);
      this.writer.serve();
    }
  }
});
