import { describe, expect, test } from 'vitest';
import { containerEnvironment, expand, fieldValue, MissingSource, type Sources } from './environment.ts';
import type { Container, Pod } from './pod-spec.ts';

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'engine-0', namespace: 'clinic', uid: 'u1', labels: { app: 'engine', tier: 'a"b' } },
  spec: { nodeName: 'local', serviceAccountName: 'engine', containers: [] },
};
const sources: Sources = {
  configMap: (name) => (name === 'settings' ? new Map([['level', Buffer.from('debug')]]) : undefined),
  secret: (name) => (name === 'keys' ? new Map([['token', Buffer.from('s3cret')]]) : undefined),
};
const container = (part: Partial<Container>): Container => ({ name: 'main', image: 'signalbox', ...part });
const base = { PATH: '/bin', SIGNALBOX_POD_IP: '127.9.0.1' };

describe('$(NAME) expansion', () => {
  test.each([
    ['plain', 'plain'],
    ['$(A)-$(B)', '1-2'],
    ['$(UNKNOWN)', '$(UNKNOWN)'],
    ['$$(A)', '$(A)'],
    ['$A ${A}', '$A ${A}'],
  ])('%s becomes %s', (text, expected) => {
    expect(expand(text, { A: '1', B: '2' })).toBe(expected);
  });
});

test('a later variable sees an earlier one, and envFrom comes first', () => {
  const env = [
    { name: 'HOST', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'URL', value: 'http://$(HOST)/$(P_level)' },
    { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
  ];
  const made = containerEnvironment(
    pod,
    container({ envFrom: [{ prefix: 'P_', configMapRef: { name: 'settings' } }], env }),
    sources,
    base,
  );
  expect(made).toMatchObject({ URL: 'http://127.9.0.1/debug', TOKEN: 's3cret', PATH: '/bin' });
});

test('an absent source says which; an optional one is left out', () => {
  const absent = { name: 'X', valueFrom: { secretKeyRef: { name: 'keys', key: 'nope' } } };
  const make = (env: Container['env'] = []): unknown => containerEnvironment(pod, container({ env }), sources, base);
  expect(() => make([absent])).toThrow(new MissingSource('Secret "keys" has no key "nope"'));
  const optional = { name: 'X', valueFrom: { configMapKeyRef: { name: 'gone', key: 'k', optional: true } } };
  expect(make([optional])).toEqual(base);
});

test('field references cover labels by key and as a file', () => {
  expect(fieldValue(pod, '', "metadata.labels['app']")).toBe('engine');
  expect(fieldValue(pod, '', 'metadata.labels')).toBe('app="engine"\ntier="a\\"b"');
  expect(fieldValue(pod, '', 'spec.unknown')).toBeUndefined();
});
