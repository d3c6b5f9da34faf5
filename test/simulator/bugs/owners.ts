// Owns: bugs in what an engine does when it may not be the owner any more, and in what people see then.
import type { Bug } from './bug.ts';

const control = 'runtime/engine/control.ts';
const owner = 'runtime/engine/owner.ts';
const serving = 'runtime/engine/serving.ts';

export const ownerBugs: readonly Bug[] = [
  {
    name: 'timer-lost-in-doubt',
    what: 'a timer that fires while the lease is in doubt is dropped, and nobody looks again',
    breaks: ['I1', 'I10'],
    edits: [
      { file: serving, find: '      setInterval(() => this.#wake(), HORIZON_MS / 2),\n', replace: '' },
      {
        file: serving,
        find: "      if (!isSignalboxError(error, 'NOT_OWNER')) {",
        replace: "      if (isSignalboxError(error, 'NOT_OWNER')) return;\n      if (!this.#stopped) {",
      },
    ],
  },
  {
    name: 'last-word-unnoticed',
    what: 'what the owner before wrote after one had read the end is never noticed',
    breaks: ['I1', 'I11'],
    scene: { focus: 'leases' },
    edits: [{ file: serving, find: 'await this.partition.notice();', replace: 'await Promise.resolve();' }],
  },
  {
    name: 'old-memory-on-a-new-lease',
    what: 'an owner that slept takes its lease again and goes on with what it knew',
    breaks: ['I1', 'I11'],
    edits: [
      {
        file: owner,
        find: 'serving !== undefined && asked - this.#heldAt >= TRUST_MS',
        replace: 'serving !== undefined && asked < 0',
      },
    ],
  },
  {
    name: 'lists-on-a-lease-in-doubt',
    what: 'an engine whose lease may be over writes what people see, without a look at the end of the journal',
    breaks: ['I11'],
    scene: { focus: 'leases' },
    edits: [
      {
        file: 'runtime/engine/projections.ts',
        find: '      await this.#partition.settled();\n      await this.#partition.assertNewest();\n',
        replace: '',
      },
    ],
  },
  {
    name: 'lists-forgotten',
    what: 'what people see is written at a takeover only',
    breaks: ['I11'],
    edits: [
      {
        file: serving,
        find: '          this.projections.touch(runs);',
        replace: '          if (events < 0) this.projections.touch(runs);',
      },
    ],
  },
  {
    name: 'loaded-after-the-lease',
    what: 'what was loaded after the lease was lost is kept, and answers everybody that it is not the owner',
    breaks: ['I1', 'I10'],
    scene: { focus: 'leases' },
    edits: [
      {
        file: owner,
        find: 'else if (this.#heldAt !== Number.NEGATIVE_INFINITY || this.#active !== undefined) await',
        replace: 'else if (this.#heldAt !== Number.NEGATIVE_INFINITY) await',
      },
    ],
  },
  {
    name: 'no-without-a-look',
    what: 'an owner that another one has followed tells no, although it cannot know',
    breaks: ['I1', 'I2', 'I13'],
    edits: [{ file: control, find: '    await serving.partition.assertNewest();\n', replace: '' }],
  },
  {
    name: 'another-namespace-looks',
    what: 'a run is told to somebody of another namespace',
    breaks: ['I15'],
    edits: [
      {
        file: control,
        find: '  if (namespace !== undefined && given.state.namespace !== namespace) {',
        replace: "  if (namespace === 'never') {",
      },
    ],
  },
];
