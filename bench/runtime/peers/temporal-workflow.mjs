// Owns: the two workflows for Temporal, which bundles this file for its sandbox.
import { condition, proxyActivities } from '@temporalio/workflow';

const { noop } = proxyActivities({ startToCloseTimeout: '1 minute', heartbeatTimeout: '2 seconds' });

export async function five(slowMs) {
  const results = [];
  for (let step = 1; step <= 5; step += 1) results.push(await noop(step, step === 3 ? slowMs : 0));
  return results;
}

export async function waits() {
  await noop(1, 0);
  await condition(() => false);
}
