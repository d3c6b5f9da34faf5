import { describe, expect, test } from 'vitest';
import { kinds } from '../../api/v1alpha1/kinds.ts';
import { type InvalidFixture, invalidFixtures, type Manifest, validFixtures } from '../../test/fixtures/load.ts';
import { checkTogether } from '../bundle/together.ts';
import { type Checked, checkedKinds, checkObject } from './admission.ts';
import { type StaticCheck, staticChecks } from './finding.ts';
import { checkReferences, type Lookups } from './references.ts';

const invalid = invalidFixtures().filter(({ check }) => check !== undefined);
const valid = validFixtures();

/** Parses as the webhook does. */
function checked(manifest: Manifest): Checked {
  const kind = kinds.find((one) => one.kind === manifest.kind);
  return { kind: manifest.kind, spec: kind?.spec.parse(manifest.spec) } as Checked;
}

function lookups(fixture: InvalidFixture): Lookups {
  const of = (kind: string) => (name: string) =>
    [...fixture.before, fixture.manifest].find((one) => one.kind === kind && one.metadata.name === name)?.spec as never;
  return {
    agent: of('Agent'),
    bundle: of('Bundle'),
    tool: of('Tool'),
    model: of('Model'),
    policy: of('EscalationPolicy'),
    workflow: of('Workflow'),
  };
}

describe('invalid manifests: one finding, with the exact words', () => {
  test.each(invalid.filter(({ reported, linted }) => reported.length + linted.length === 0))('$file', (fixture) => {
    const { metadata } = fixture.manifest;
    const findings = checkObject(metadata.name, checked(fixture.manifest));
    const worded = (severity: string) => findings.filter((one) => one.severity === severity).map((one) => one.message);
    expect(worded('error')).toEqual(fixture.refused);
    expect(worded('warning')).toEqual(fixture.warned);
    expect(new Set(findings.map(({ check }) => check))).toEqual(new Set([fixture.check]));
  });
  test.each(invalid.filter(({ reported }) => reported.length > 0))('$file', (fixture) => {
    const { metadata } = fixture.manifest;
    const findings = checkReferences(metadata.name, checked(fixture.manifest), lookups(fixture));
    expect(findings.map(({ reason, message }) => `${reason}: ${message}`)).toEqual(fixture.reported);
    expect(findings.map(({ check }) => check)).toEqual([fixture.check]);
  });
  test.each(invalid.filter(({ linted }) => linted.length > 0))('$file', (fixture) => {
    const { metadata, spec } = fixture.manifest;
    const workflows = fixture.before.filter(({ kind }) => kind === 'Workflow');
    const findings = checkTogether({
      name: metadata.name,
      spec: spec as never,
      existing: lookups(fixture),
      workflows: new Map(workflows.map((one) => [one.metadata.name, one.spec as never])),
    });
    expect(findings.map(({ kind, name, message }) => `${kind} ${name}: ${message}`)).toEqual(fixture.linted);
    expect(findings.map(({ check }) => check)).toEqual([fixture.check]);
  });
});

test('every static check has a fixture', () => {
  const covered = new Set(invalid.map(({ check }) => check));
  expect(Object.keys(staticChecks).filter((check) => !covered.has(check as StaticCheck))).toEqual([]);
});

test('every finding names the field, what was found and what is allowed', () => {
  for (const fixture of invalid) {
    const messages = [
      ...fixture.refused,
      ...fixture.warned,
      ...fixture.reported.map((line) => line.replace(/^[A-Za-z]+: /, '')),
      ...fixture.linted.map((line) => line.replace(/^\S+ \S+: /, '')),
    ];
    expect(messages.length).toBeGreaterThan(0);
    for (const message of messages) expect(message).toMatch(/^spec\.\S+: found .+; allowed: .+$/);
  }
});

describe('valid manifests have no finding', () => {
  const names: readonly string[] = checkedKinds;
  test.each(valid.filter(({ manifest }) => names.includes(manifest.kind)))('$file', ({ manifest }) => {
    expect(checkObject(manifest.metadata.name, checked(manifest))).toEqual([]);
  });
});

test('a check never throws, whatever the graph', () => {
  const spec = (start: string, to: string) => ({
    input: { type: 'object' },
    start,
    states: { a: { type: 'decision' as const }, z: { type: 'terminal' as const, outcome: 'success' as const } },
    transitions: [{ from: 'a', to }],
  });
  expect(checkObject('w', { kind: 'Workflow', spec: spec('a', 'z') })).toEqual([]);
  expect(checkObject('w', { kind: 'Workflow', spec: spec('nowhere', 'nowhere') }).length).toBeGreaterThan(0);
});
