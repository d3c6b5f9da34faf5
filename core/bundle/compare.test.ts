import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import { compareBundles } from './compare.ts';
import { diffLines } from './line-diff.ts';
import { resolve } from './resolve.ts';

const spec: BundleSpec = {
  agent: 'desk',
  prompts: { executor: { text: 'Book.' } },
  models: { start: 'small' },
  tools: ['book'],
  verifier: { rules: [{ name: 'ok', cel: 'true' }] },
  policy: { maxTurns: 4 },
};
const book = { description: 'Books.', http: { url: 'http://x' }, input: { type: 'object' }, effect: 'write' as const };
const scripted = { scripted: { replies: [{ text: 'Hello.' }] } };
function bundle(differing: Partial<BundleSpec> = {}, contract = {}, answer = scripted): ResolvedBundle {
  const root = { metadata: { name: 'desk-1' }, spec: { ...spec, ...differing } };
  const parts = {
    tools: { book: { spec: { ...book, ...contract } }, more: { spec: book } },
    models: { small: { spec: answer } },
  };
  return resolve(root, parts) as ResolvedBundle;
}

const none = { before: [], after: [] };

describe('what is different', () => {
  test('permissions of its tools', () => {
    const ceilings = {
      before: [
        { tool: 'book', mode: 'approve' as const },
        { tool: 'other', mode: 'read' as const },
      ],
      after: [{ tool: 'book', mode: 'write' as const, approveWhen: 'true' }],
    };
    expect(compareBundles(bundle(), bundle(), ceilings)).toEqual([
      { part: 'permissions', field: 'book.mode', before: 'approve', after: 'write' },
      { part: 'permissions', field: 'book.approveWhen', after: 'true' },
    ]);
  });
  test.each<[string, ResolvedBundle, readonly object[]]>([
    ['nothing', bundle(), []],
    [
      'a prompt',
      bundle({ prompts: { executor: { text: 'Cancel.' } } }),
      [{ part: 'prompts', field: 'executor', before: 'Book.', after: 'Cancel.' }],
    ],
    [
      'a new prompt',
      bundle({ prompts: { ...spec.prompts, planner: { text: 'Plan.' } } }),
      [{ part: 'prompts', field: 'planner', after: 'Plan.' }],
    ],
    [
      'a new tool',
      bundle({ tools: ['book', 'more'] }),
      [{ part: 'tools', field: 'more', after: { ...book, listed: true } }],
    ],
    [
      'an effect',
      bundle({}, { effect: 'read' }),
      [{ part: 'tools', field: 'book.effect', before: 'write', after: 'read' }],
    ],
    [
      'an argument',
      bundle({}, { input: { type: 'object', required: ['a'] } }),
      [{ part: 'tools', field: 'book.input.required', after: ['a'] }],
    ],
    [
      'a script under the same name',
      bundle({}, {}, { scripted: { replies: [{ text: 'Good day.' }] } }),
      [
        {
          part: 'models',
          field: 'start.scripted.replies',
          before: [{ text: 'Hello.' }],
          after: [{ text: 'Good day.' }],
        },
      ],
    ],
    [
      'a rule',
      bundle({ verifier: { rules: [{ name: 'ok', cel: 'false' }] } }),
      [{ part: 'verifier', field: 'rules.ok.cel', before: 'true', after: 'false' }],
    ],
    ['a limit that is gone', bundle({ policy: {} }), [{ part: 'policy', field: 'maxTurns', before: 4 }]],
  ])('%s', (_name, after, expected) => {
    expect(compareBundles(bundle(), after, none)).toEqual(expected);
  });
  test('order of tools alone is shown by the digests, and by nothing else', () => {
    const [before, after] = [bundle({ tools: ['book', 'more'] }), bundle({ tools: ['more', 'book'] })];
    expect(before.digest).not.toBe(after.digest);
    expect(compareBundles(before, after, none)).toEqual([]);
  });
});

describe('lines', () => {
  const show = (before: string, after: string) =>
    diffLines(before, after).map(({ kind, text }) => `${{ same: ' ', removed: '-', added: '+' }[kind]}${text}`);
  test('what stays is said to stay', () => {
    expect(show('a\nb\nc\n', 'a\nx\nc\nd')).toEqual([' a', '-b', '+x', ' c', '+d']);
    expect(show('', 'a')).toEqual(['+a']);
    expect(show('a', '')).toEqual(['-a']);
    expect(show('', '')).toEqual([]);
  });
  it('gives both texts again, and no more edits than the lines that are not shared in order', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 }).map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = diffLines(before, after);
        const of = (kind: string) => lines.filter((one) => one.kind !== kind).map((one) => one.text);
        const split = (whole: string) => (whole === '' ? [] : whole.replace(/\n$/, '').split('\n'));
        expect(of('added')).toEqual(split(before));
        expect(of('removed')).toEqual(split(after));
        expect(lines.filter(({ kind }) => kind === 'same').length).toBe(longestCommon(split(before), split(after)));
      }),
      { numRuns: 500 },
    );
  });
});

function longestCommon(left: readonly string[], right: readonly string[]): number {
  const row = Array.from({ length: right.length + 1 }, () => 0);
  for (const one of left) {
    let corner = 0;
    right.forEach((other, index) => {
      const above = row[index + 1] ?? 0;
      row[index + 1] = one === other ? corner + 1 : Math.max(above, row[index] ?? 0);
      corner = above;
    });
  }
  return row[right.length] ?? 0;
}
