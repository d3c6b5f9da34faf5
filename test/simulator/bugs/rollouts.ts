// Owns: seeded bugs of rollouts: which key gets the canary, how many, and until when.
import type { Bug } from './bug.ts';

const assign = 'core/rollout/assign.ts';
const assigner = 'runtime/engine/assigner.ts';
const scene = { rollout: true } as const;

export const rolloutBugs: readonly Bug[] = [
  {
    name: 'route-after-abort',
    what: 'a key that had the canary gets it at weight 0, too',
    breaks: ['I7'],
    scene,
    edits: [
      {
        file: assign,
        find: '  if (rollout === undefined || rollout.weightBps === 0) return { digest: bundleDigest };',
        replace: '  if (rollout === undefined) return { digest: bundleDigest };',
      },
      {
        file: assigner,
        find: 'return offer === undefined || offer.weightBps === 0 ? [] : [{ name, offer }];',
        replace: 'return offer === undefined ? [] : [{ name, offer }];',
      },
    ],
  },
  {
    name: 'count-forgotten-at-takeover',
    what: 'what canaries took is counted in the memory of one engine only: the next one gives it out again',
    breaks: ['I7'],
    scene,
    edits: [
      {
        file: assigner,
        find: 'const revision = await this.#bucket.update(this.#uid, { leftBps }, before.revision);',
        replace:
          'const revision = await this.#bucket.update(this.#uid, { leftBps: before.leftBps + gainedBps }, before.revision);',
      },
    ],
  },
  {
    name: 'arm-by-run-instead-of-key',
    what: 'each run draws an arm of its own, whatever its key has',
    breaks: ['I7'],
    scene,
    edits: [
      {
        file: assigner,
        find: '      offer.assignBy === undefined\n        ? {',
        replace: '      offer !== undefined\n        ? {',
      },
    ],
  },
  {
    name: 'left-over-before-it-is-a-fact',
    what: 'a stable key leaves its weight over although its run may never be',
    breaks: ['I7'],
    scene,
    edits: [
      {
        file: assigner,
        find: "      if (!arms.includes('canary')) return arms;\n",
        replace:
          "      if (!arms.includes('canary')) {\n        for (const { weightBps } of keys) this.#gainedBps += weightBps;\n        return arms;\n      }\n",
      },
    ],
  },
  {
    name: 'left-over-counted-twice',
    what: 'what stable keys have left over is written down and kept, and written down again',
    breaks: ['I7'],
    scene,
    edits: [{ file: assigner, find: '      this.#gainedBps -= gainedBps;\n', replace: '' }],
  },
  {
    name: 'told-without-a-fence',
    what: 'a new owner tells what it goes by while the owner before may still write what it decided',
    breaks: ['I7'],
    scene: { ...scene, focus: 'leases' },
    edits: [
      {
        file: 'runtime/engine/version-reports.ts',
        find: '    if (this.#options.catalog.offered().size > 0) await partition.fence();\n',
        replace: '',
      },
    ],
  },
];
