// I15 at the dispatch: tenants have lanes of their own, so what one has waiting changes nothing for another.
import { expect, test } from 'vitest';
import { DispatchCore, shallow, type Wanted } from './dispatch.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const wanted = (namespace: string, run: string): Wanted => ({
  run,
  namespace,
  workflow: 'calls',
  activity: 'work.1',
  attempt: 1,
  agent: 'intake',
  bundleDigest: digest,
  notBefore: 0,
  priority: 'normal',
});

/** What the small tenant's worker gets, round by round, while the other one has `flood` tasks and a worker that takes nothing. */
function served(flood: number): readonly (readonly string[])[] {
  const core = new DispatchCore();
  for (let at = 0; at < flood; at += 1) core.want(wanted('flooding', `flood-${at}`), 0);
  for (let at = 0; at < 40; at += 1) core.want(wanted('small', `small-${at}`), 0);
  const rounds: (readonly string[])[] = [];
  const open: string[] = [];
  for (let now = 0; now < 20; now += 1) {
    const published = core
      .tick(now)
      .flatMap((command) => (command.kind === 'Publish' && command.run.startsWith('small') ? [command.run] : []));
    rounds.push(published);
    open.push(...published);
    for (const run of open.splice(0, 4)) {
      core.claim(run, 'worker-of-small', now);
      core.forget(run);
    }
  }
  return rounds;
}

test('a flood by one namespace leaves the deliveries of another exactly as they are without it', () => {
  const alone = served(0);
  expect(alone[0]).toHaveLength(shallow);
  expect(alone.flat()).toHaveLength(40);
  expect(served(10_000)).toEqual(alone);
});
