import { describe, expect, test } from 'vitest';
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import { bundle, entry, model, tool } from '../../test/support/objects.ts';
import { resolve } from '../../core/bundle/resolve.ts';
import { isOwnedBy } from '../catalog/labels.ts';
import type { CatalogEntry, ConfigMapObject } from '../catalog/objects.ts';
import { type BundleObserved, planBundle } from './plan.ts';
import { bundleFile, credentialsFile, sealed, unsealed } from './sealed.ts';

const now = Date.parse('2026-11-23T09:00:00Z');
const root = bundle('receptionist-1');
const secretRef = { name: 'keys', key: 'api' };
const parts = {
  tools: { 'find-patient': tool('find-patient', { spec: { credential: { secretRef } } }) },
  models: {
    small: model('small', {
      spec: {
        scripted: undefined,
        endpoint: { baseURL: 'https://models.example.com/v1', model: 'small', secretRef },
        prices: { currency: 'USD', inputPerMillion: 1, outputPerMillion: 1 },
      } as never,
    }),
  },
};
const content = resolve(root, parts) as ResolvedBundle;
const configMap = (data: Readonly<Record<string, string>>, uid = root.metadata.uid ?? ''): ConfigMapObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: 'bundle-receptionist-1',
    namespace: 'demo',
    uid: 'uid-cm',
    ownerReferences: [{ apiVersion: root.apiVersion, kind: 'Bundle', name: 'receptionist-1', uid, controller: true }],
  },
  data,
});
const observed = (differing: Partial<BundleObserved> = {}): BundleObserved => ({
  root,
  findings: { own: [], references: [] },
  parts,
  unsound: [],
  shared: false,
  entryOf: () => undefined,
  ...differing,
});
const changed = { ...parts, tools: { 'find-patient': tool('find-patient', { spec: { description: 'Another.' } }) } };
const publishedRoot = bundle('receptionist-1', { status: { digest: content.digest } });
const verb = (plan: ReturnType<typeof planBundle>) => plan.commands.map(({ kind }) => kind);
const condition = (plan: ReturnType<typeof planBundle>, type: string) =>
  plan.status?.conditions?.find((one) => one.type === type);

test('what workers read holds no reference to a secret, and nothing is lost', () => {
  const data = sealed(content);
  expect(data[bundleFile]).not.toContain('"keys"');
  expect(data[credentialsFile]).toContain('"keys"');
  expect(unsealed(data)).toEqual(content);
});

test('content that is not what its digest says is not believed', () => {
  const data = sealed(content);
  expect(unsealed({ ...data, [bundleFile]: (data[bundleFile] ?? '').replace('Do it.', 'Do harm.') })).toBeUndefined();
  expect(unsealed({})).toBeUndefined();
  expect(unsealed(undefined)).toBeUndefined();
});

test('the digest is of the content, not of names or namespaces', () => {
  expect(resolve(bundle('other', { metadata: { namespace: 'elsewhere' } }), parts)?.digest).toBe(content.digest);
  expect(resolve(root, changed)?.digest).not.toBe(content.digest);
});

test('a new bundle is written down and published', () => {
  const plan = planBundle(observed(), now);
  expect(verb(plan)).toEqual(['apply', 'publish']);
  expect(plan.status).toMatchObject({ digest: content.digest, tools: [{ name: 'find-patient' }] });
  expect(condition(plan, 'Ready')).toMatchObject({ status: 'True', reason: 'Published' });
});

describe('a tool that another is looked up with', () => {
  const asking = bundle('receptionist-1', { spec: { tools: ['book'] } });
  const book = tool('book', {
    spec: { effect: 'write', onAmbiguous: { query: { tool: 'find-booking', by: 'arguments' } } },
  });
  const found = tool('find-booking', { spec: { description: 'Finds a booking.' } });
  const partsOf = (asked?: typeof found) => ({ ...parts, tools: { book, 'find-booking': asked } });
  test('is pinned and digested, and not listed', () => {
    const whole = resolve(asking, partsOf(found));
    expect(Object.keys(whole?.tools ?? {})).toEqual(['book', 'find-booking']);
    expect(whole?.spec.tools).toEqual(['book']);
    const edited = tool('find-booking', { spec: { description: 'Looks up a booking.' } });
    expect(resolve(asking, partsOf(edited))?.digest).not.toBe(whole?.digest);
    expect(unsealed(sealed(whole as ResolvedBundle))).toEqual(whole);
  });
  test.each([
    ['absent', undefined],
    ['a writer', tool('find-booking', { spec: { effect: 'write' } })],
  ])('%s: nothing is published, and the condition says why', (_name, asked) => {
    const plan = planBundle(observed({ root: asking, parts: partsOf(asked) }), now);
    expect(plan.commands).toEqual([]);
    expect(plan.status).not.toHaveProperty('digest');
    expect(condition(plan, 'Ready')).toMatchObject({ status: 'False', reason: 'ReferenceNotAccepted' });
    expect(condition(plan, 'Ready')?.message).toContain(
      'Tool find-booking with effect read (spec.onAmbiguous.query.tool of Tool book)',
    );
  });
  test('that came after publication drifts it', () => {
    const before = resolve(asking, { ...parts, tools: { book: tool('book', { spec: { effect: 'write' } }) } });
    const root = bundle('receptionist-1', { ...asking, status: { digest: before?.digest ?? '' } } as never);
    const plan = planBundle(
      observed({ root, parts: partsOf(found), configMap: configMap(sealed(before as ResolvedBundle)) }),
      now,
    );
    expect(condition(plan, 'Drifted')?.message).toContain('Tool book and Tool find-booking changed');
  });
});

describe('once published', () => {
  const published = entry(`bundle.${content.digest.slice(7)}`, content);
  const entryOf = (digest: string): CatalogEntry | undefined => (digest === content.digest ? published : undefined);
  const settled = { root: publishedRoot, configMap: configMap(sealed(content)), published, entryOf };
  test('nothing is published again', () => {
    expect(verb(planBundle(observed(settled), now))).toEqual(['apply']);
  });
  test('a later edit of a tool drifts it, and changes nothing', () => {
    const plan = planBundle(observed({ ...settled, parts: changed }), now);
    expect(plan.status).toMatchObject({ digest: content.digest });
    expect(verb(plan)).toEqual(['apply']);
    expect(condition(plan, 'Drifted')).toMatchObject({ status: 'True', reason: 'ContentChanged' });
    expect(condition(plan, 'Drifted')?.message).toContain('Tool find-patient changed');
    expect(condition(plan, 'Ready')?.status).toBe('True');
  });
  test('a deleted tool drifts it, too', () => {
    const plan = planBundle(observed({ ...settled, parts: { ...parts, tools: {} } }), now);
    expect(condition(plan, 'Drifted')?.message).toContain('Tool find-patient (spec.tools) is gone');
  });
  test('a lost catalog entry is made again of the ConfigMap', () => {
    const plan = planBundle(
      observed({ ...settled, parts: changed, published: undefined, entryOf: () => undefined }),
      now,
    );
    expect(plan.commands).toContainEqual({ kind: 'publish', key: published.metadata.name, value: content });
  });
  test('a lost ConfigMap is made again of the catalog', () => {
    const plan = planBundle(observed({ ...settled, parts: changed, configMap: undefined }), now);
    expect(plan.commands[0]).toMatchObject({ kind: 'apply', object: { data: sealed(content), immutable: true } });
  });
  test('both lost and the tool changed: it cannot be made again', () => {
    const lost = { root: publishedRoot, parts: changed };
    const plan = planBundle(observed(lost), now);
    expect(verb(plan)).toEqual([]);
    expect(condition(plan, 'Ready')).toMatchObject({ status: 'False', reason: 'ContentLost' });
    expect(plan.status).toMatchObject({ digest: content.digest });
  });
  test('another bundle’s entry of the same digest is left alone', () => {
    const other = entry(published.metadata.name, { ...content, namespace: 'elsewhere', name: 'other' });
    expect(verb(planBundle(observed({ ...settled, published: other, entryOf: () => other }), now))).toEqual(['apply']);
  });
});

describe('what it was built and signed as', () => {
  const verdict = { ok: true, key: 'sha256:01', content: content.digest, provenance: { commit: '3f9c2a1' } } as const;
  const built = (digest: string) =>
    bundle('receptionist-1', { metadata: { annotations: { 'signalbox.dev/digest': digest } } });
  const reason = (differing: Partial<BundleObserved>) => {
    const plan = planBundle(observed(differing), now);
    return [condition(plan, 'Ready')?.reason, plan.commands.length, plan.status?.['digest']];
  };
  test('is published, with where it is from', () => {
    expect(reason({ root: built(content.digest) })).toEqual(['Published', 2, content.digest]);
    const plan = planBundle(observed({ root: built(content.digest), signature: verdict }), now);
    expect(plan.status).toMatchObject({ provenance: { key: 'sha256:01', commit: '3f9c2a1' } });
  });
  test.each<[string, Partial<BundleObserved>, string]>([
    ['built as something else', { root: built(`sha256:${'0'.repeat(64)}`) }, 'ContentMismatch'],
    ['signed as something else', { signature: { ...verdict, content: 'sha256:00' } }, 'ContentMismatch'],
    ['not signed', { signature: { ok: false, why: 'it has none' } }, 'SignatureRefused'],
    ['right, and not signed', { root: built(content.digest), signature: { ok: false, why: 'x' } }, 'SignatureRefused'],
  ])('%s: nothing is published', (_name, differing, expected) => {
    expect(reason(differing)).toEqual([expected, 0, undefined]);
  });
  test('once published it stays, whatever becomes of keys, annotations and tools', () => {
    const status = { digest: content.digest, provenance: { key: 'sha256:01' } };
    const root = bundle('receptionist-1', {
      metadata: { annotations: { 'signalbox.dev/digest': 'sha256:00' } },
      status,
    });
    const plan = planBundle(observed({ root, configMap: configMap(sealed(content)), parts: changed }), now);
    expect(condition(plan, 'Ready')?.reason).toBe('Published');
    expect(plan.status).toMatchObject(status);
  });
});

test('a ConfigMap of an earlier bundle of that name goes first', () => {
  const foreign = configMap(sealed(content), 'uid-of-another');
  expect(isOwnedBy(foreign, root)).toBe(false);
  expect(planBundle(observed({ configMap: foreign }), now).commands).toMatchObject([{ kind: 'delete', uid: 'uid-cm' }]);
});

describe('deleted', () => {
  const leaving = bundle('receptionist-1', {
    metadata: { deletionTimestamp: '2026-11-23T09:00:00Z' },
    status: { digest: content.digest },
  });
  const published = entry(`bundle.${content.digest.slice(7)}`, content);
  test('stays while needed', () => {
    const plan = planBundle(observed({ root: leaving, published, neededBy: '2 open runs pinned to it' }), now);
    expect(plan.commands).toEqual([]);
    expect(condition(plan, 'Ready')?.message).toContain('2 open runs');
  });
  test('takes its catalog entry with it', () => {
    expect(verb(planBundle(observed({ root: leaving, published }), now))).toEqual(['withdraw', 'finalizer']);
  });
  test('but not one that another bundle shares', () => {
    expect(verb(planBundle(observed({ root: leaving, published, shared: true }), now))).toEqual(['finalizer']);
  });
});
