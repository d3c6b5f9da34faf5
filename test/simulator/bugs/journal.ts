// Owns: bugs in how facts get into the journal.
import type { Bug } from './bug.ts';

const partition = 'runtime/engine/partition.ts';
const writer = 'core/journal/writer.ts';
const journal = 'adapters/nats/journal.ts';

export const journalBugs: readonly Bug[] = [
  {
    name: 'ack-before-append',
    what: 'a reply is given before the commit that it rests on',
    breaks: ['I1'],
    edits: [
      {
        file: partition,
        find: '    await this.#after(ticket);\n    return reply;',
        replace: '    void this.#after(ticket).catch(() => undefined);\n    return reply;',
      },
    ],
  },
  {
    name: 'reply-to-the-dropped',
    what: 'whoever waited for a record that failed is told yes',
    breaks: ['I1'],
    edits: [
      { file: partition, find: '      waiting.reject(error);', replace: '      waiting.resolve(error as never);' },
    ],
  },
  {
    name: 'uncommitted-kept-on-failure',
    what: 'after a failed append the state in memory is not dropped',
    breaks: ['I11', 'I1', 'I9', 'I10'],
    edits: [
      {
        file: partition,
        find: '    this.#writer.failed();\n',
        replace: '    this.#writer.appended(this.#writer.end.seq, this.#writer.end.digest);\n',
      },
      {
        file: partition,
        find: '    if (served) this.#options.events.lost(error);',
        replace: '    if (!served) this.#options.events.lost(error);',
      },
    ],
  },
  {
    name: 'lost-not-told',
    what: 'a partition that failed is never loaded again',
    breaks: ['I1', 'I11'],
    edits: [
      {
        file: partition,
        find: '    if (served) this.#options.events.lost(error);',
        replace: '    if (!served) this.#options.events.lost(error);',
      },
    ],
  },
  {
    name: 'no-fence',
    what: 'an owner writes without compare-and-set: a zombie writes too',
    breaks: ['I1', 'I9'],
    edits: [{ file: journal, find: '        expect: { lastSequence: expectedSeq },\n', replace: '' }],
  },
  {
    name: 'dedup-window-only',
    what: 'message ids instead of compare-and-set',
    breaks: ['I1', 'I9'],
    edits: [
      {
        file: journal,
        find: '        expect: { lastSequence: expectedSeq },\n',
        replace: '        msgID: record.id,\n',
      },
    ],
  },
  {
    name: 'fence-ignored',
    what: 'the record of another owner is taken for one’s own after a refused write',
    breaks: ['I11', 'I1', 'I9'],
    edits: [
      {
        file: journal,
        find: '  if (written?.record.id === record.id) return written;',
        replace: '  if (written !== undefined) return written;',
      },
    ],
  },
  {
    name: 'look-does-not-wait',
    what: 'a repeated cause is answered while the first one is no fact yet',
    breaks: ['I1'],
    edits: [
      {
        file: writer,
        find: 'return { reply, ticket: this.#uncommitted.get(run) ?? 0 };',
        replace: 'return { reply, ticket: 0 };',
      },
    ],
  },
  {
    name: 'wrong-fold-order',
    what: 'events of a run that share a record are written last first',
    breaks: ['I1'],
    edits: [
      {
        file: 'core/journal/record-text.ts',
        find: 'text: `${before.text},${after.text}`,',
        replace: 'text: `${after.text},${before.text}`,',
      },
    ],
  },
  {
    name: 'stale-epoch',
    what: 'an owner that takes over does not say where it found the end',
    breaks: ['I9'],
    edits: [{ file: writer, find: '    this.#epoch = this.#end.seq;', replace: '    this.#epoch = 0;' }],
  },
  {
    name: 'start-tells-too-much',
    what: 'a start tells of events that are not on disk yet',
    breaks: ['I1'],
    edits: [
      {
        file: 'runtime/engine/control.ts',
        find: 'return { ok: true, result: await serving.look(request.run, summaryOf) };',
        replace: 'return { ok: true, result: summaryOf(serving.partition.state(request.run) as never) };',
      },
    ],
  },
  {
    name: 'second-start',
    what: 'a start that comes again starts again',
    breaks: ['I1'],
    edits: [
      {
        file: 'runtime/engine/control.ts',
        find: '      if (state === undefined) return begin(request, options, assigned);\n      return { events: [], reply: otherInput(state, request) ?? { ok: true as const } };\n',
        replace: '      return begin(request, options, assigned);\n',
      },
    ],
  },
  {
    name: 'sync-interval',
    what: 'nats-server acknowledges before it has written to disk, and the power goes',
    breaks: ['I1', 'I9', 'I13'],
    edits: [
      {
        file: 'test/simulator/network.ts',
        find: '    this.js.restart();\n',
        replace: '    this.js.powerCut(this.world.now, 2_000);\n    this.js.restart();\n',
      },
    ],
  },
];
