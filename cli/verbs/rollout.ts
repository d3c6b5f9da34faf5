import { Command } from 'commander';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';
import { evidenceVerb, explainRolloutVerb, getVerb, historyVerb, listVerb } from './rollout-look.ts';
import { planVerb } from './rollout-plan.ts';
import { replayVerb } from './rollout-replay.ts';
import { rolloutStatusVerb } from './rollout-status.ts';
import { tellVerbs } from './rollout-tell.ts';

export function rolloutVerb(host: Host): Command {
  const group = new Command('rollout')
    .summary('how a new bundle reaches the runs')
    .description(
      'An Agent with spec.release gets another bundle by a BundleRollout. These verbs show where it stands and why, and tell it ' +
        'what to do with your own Kubernetes credentials. A rollout is named by its own name, or by its agent: then the newest.',
    );
  for (const verb of [
    listVerb,
    getVerb,
    rolloutStatusVerb,
    explainRolloutVerb,
    historyVerb,
    evidenceVerb,
    planVerb,
    replayVerb,
  ]) {
    group.addCommand(verb(host));
  }
  for (const verb of tellVerbs(host)) group.addCommand(verb);
  return withExamples(
    group,
    { line: 'signalbox rollout list -n clinic', says: 'what is on its way' },
    {
      line: 'signalbox rollout abort receptionist -n clinic --reason "callers complain"',
      says: 'back to the bundle before',
    },
  );
}
