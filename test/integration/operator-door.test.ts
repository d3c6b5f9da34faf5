// What the operator refuses at the door, and what it says of an object that names what is not there.
import { describe, expect, test } from 'vitest';
import { invalidFixtures, type InvalidFixture, type Manifest, validFixtures } from '../fixtures/load.ts';
import type { Told } from '../support/kubectl.ts';
import { operatorStage } from '../support/operator-stage.ts';
import { until } from '../support/until.ts';

const namespace = 'default';
const stage = operatorStage();

describe('at the door: static checks', () => {
  const checks = invalidFixtures().filter(({ check, refused }) => check !== undefined && refused.length > 0);
  const dryRun = (manifest: Manifest) =>
    stage.plane.kubectl(
      ['apply', '--dry-run=server', '-f', '-'],
      JSON.stringify({ ...manifest, metadata: { ...manifest.metadata, namespace } }),
    );

  test.each(checks)('refused with the exact words: $file', async ({ manifest, refused }) => {
    const error = await dryRun(manifest).then(
      () => 'accepted',
      (failed: { readonly stderr: string }) => failed.stderr,
    );
    const lines = error.trim().split('\n');
    expect(lines[0]).toContain('admission webhook "checks.signalbox.dev" denied the request: ');
    const told = [lines[0]?.replace(/^.* denied the request: /, ''), ...lines.slice(1)];
    expect(told).toEqual(refused);
  });
  test.each(validFixtures().filter(({ manifest }) => manifest.kind !== 'Decision' && manifest.kind !== 'Escalation'))(
    'accepted: $file',
    async ({ manifest }) => {
      expect(await dryRun(manifest)).toContain('(server dry run)');
    },
  );
});

describe('in conditions: what an object names', () => {
  const reported = invalidFixtures().filter((fixture) => fixture.reported.length > 0);
  test.each(reported)('$file', async (fixture: InvalidFixture) => {
    const all = [...fixture.before, fixture.manifest].map((one) =>
      JSON.stringify({ ...one, metadata: { ...one.metadata, namespace } }),
    );
    const { kind, metadata } = fixture.manifest;
    try {
      await stage.plane.kubectl(['apply', '-f', '-'], all.join('\n---\n'));
      const seen = (one: Told | undefined) =>
        (one?.status?.conditions ?? []).map(({ reason, message }) => `${reason}: ${message}`);
      await until(`${kind} ${metadata.name} says: ${fixture.reported.join(', ')}`, async () => {
        const lines = seen(await stage.get(namespace, `${kind} ${metadata.name}`));
        return fixture.reported.every((line) => lines.includes(line)) ? true : undefined;
      });
    } finally {
      await stage.plane.kubectl(['delete', '--timeout=20s', '-f', '-'], all.join('\n---\n'));
    }
  });
});
