// Owns: the scenario of a rollout: two runs of one key start while the agent's new bundle is tried, and have the same arm.
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import { buckets, catalogKeys } from '../../api/messages/subjects.ts';
import { stageNamespace } from '../support/gateway-stage.ts';
import { until } from '../support/until.ts';
import { trying } from './content.ts';
import { CLOSED_MS, closing, declare, plain, type Played, type Scenario } from './played.ts';

const nameOf = (run: string): string => `trial-${run.toLowerCase()}`;
const secondOf = (run: string): string => `${run}b`;

/** Every key has the canary: each start pays for one. */
const agentOf = ({ runs }: Played, name: string): AgentSnapshot => ({
  namespace: stageNamespace,
  name,
  role: 'all',
  generation: 1,
  permissions: [],
  bundle: 'before',
  bundleDigest: `${runs.bundle.digest}-before`,
  rollout: {
    name,
    uid: name,
    salt: name,
    assignBy: 'input.key',
    weightBps: 10_000,
    canary: { bundle: runs.bundle.name, digest: runs.bundle.digest },
  },
});

export const trial: Scenario = {
  async begin(stage, run) {
    const name = nameOf(run);
    await until(
      `agent ${name} is published`,
      async () => {
        const catalog = await stage.runs.control.bucket<unknown>(buckets.catalog);
        await catalog.put(catalogKeys.agent(stageNamespace, name), agentOf(stage, name));
        return true;
      },
      CLOSED_MS,
    );
    await declare(stage, trying(name));
    await start(stage, run, run);
  },
  async finish(stage, run) {
    await start(stage, secondOf(run), run);
    for (const one of [run, secondOf(run)]) await closing(stage, one);
    const [first, second] = await Promise.all([run, secondOf(run)].map((one) => assignedTo(stage, one)));
    if (first?.arm !== 'canary' || first.first !== true) throw new Error(`the first has ${JSON.stringify(first)}`);
    if (second?.unit !== first.unit || second.arm !== 'canary' || second.first === true) {
      throw new Error(`the second has ${JSON.stringify(second)} after ${JSON.stringify(first)}`);
    }
    return [
      { ...plain, run },
      { ...plain, run: secondOf(run) },
    ];
  },
};

async function start(stage: Played, run: string, key: string): Promise<void> {
  const { seq } = await stage.runs.start(run, nameOf(key), { run, key });
  stage.recording.note({ kind: 'Acknowledged', what: 'start', run, seq });
}

async function assignedTo(stage: Played, run: string) {
  const [started] = await stage.runs.history(run);
  if (started?.type !== 'RunStarted') throw new Error(`run ${run} does not begin with RunStarted`);
  return started.assignments?.[Object.keys(started.pins)[0] ?? ''];
}
