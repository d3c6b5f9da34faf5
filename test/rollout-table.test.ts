// The transition table of releases: every row is played, every phase and verb is in it, and the design page says the same.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { endedPhases, rolloutPhases, rolloutReasons, rolloutStatusSchema } from '../api/v1alpha1/rollout.ts';
import { planRollout } from '../core/rollout/machine.ts';
import { now, seenOf } from './support/rollout-scene.ts';
import { wayOn } from './support/rollout-way-on.ts';
import { wayUp } from './support/rollout-way-up.ts';

const cases = [...wayUp, ...wayOn];

describe('every row of the table', () => {
  test.each(cases)('%s, %s: %s (%s)', (from, _, to, reason, scene) => {
    const seen = seenOf(scene);
    expect(seen.status.phase).toBe(from);
    const { status, requeueAfterMs, events } = planRollout(seen, now);
    expect(status).toMatchObject({ phase: to, reason });
    expect(rolloutStatusSchema.parse(status)).toEqual(status);
    expect(status.message).toMatch(/^[A-Z].+: .+\. Next: .+\.$/);
    if (to !== from) expect(events).toEqual([{ type: expect.any(String), reason, note: status.message }]);
    if (to !== from) expect(status.decisions?.at(-1)).toMatchObject({ from, to, reason });
    expect(requeueAfterMs === undefined).toBe(endedPhases.some((ended) => ended === to));
  });
});

test('a look that is repeated before anything changed moves nothing twice', () => {
  for (const [from, event, to, , scene] of cases) {
    const seen = seenOf(scene);
    const first = planRollout(seen, now);
    expect(planRollout(seen, now), `${from}, ${event}`).toEqual(first);
    if (to === from) expect(planRollout({ ...seen, status: first.status }, now).status.phase).toBe(to);
  }
});

test('no phase is missing', () => {
  expect(new Set(cases.flatMap(([from, , to]) => [from, to]))).toEqual(new Set(rolloutPhases));
});

test('the design page has the table', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/design/releases.md'), 'utf8');
  const cells = page
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.includes('---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, 5)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  const rows = cells.filter(
    ([from = '', , , reason = '']) => rolloutPhases.some((phase) => phase === from) && reason in rolloutReasons,
  );
  expect(rows).toEqual(cases.map(([from, event, to, reason]) => [from, event, to, reason]));
});
