// Owns: the static checks of an Agent's release.
import type { AgentSpec } from '../../api/v1alpha1/agent.ts';
import { weightOf } from '../rollout/stages.ts';
import { readCron } from '../schedule/cron.ts';
import { isTimeZone } from '../schedule/zone.ts';
import { checkExpression, untyped, variables } from './expressions.ts';
import { type Finding, finding, quote } from './finding.ts';

type Declared = NonNullable<AgentSpec['release']>;

export function checkRelease({ release }: AgentSpec): readonly Finding[] {
  if (release === undefined) return [];
  const types = untyped(variables.release);
  return [
    ...checkExpression('spec.release.assignBy', release.assignBy, { types, wanted: 'Any' }),
    ...checkExpression('spec.release.include', release.include, { types, wanted: 'Bool' }),
    ...checkExpression('spec.release.exclude', release.exclude, { types, wanted: 'Bool' }),
    ...checkWeights(release),
    ...checkBake(release),
    ...checkRequire(release),
    ...checkWindows(release),
  ];
}

function checkWeights({ stages }: Declared): Finding[] {
  let highest = 0;
  return stages.flatMap((stage, index) => {
    if (stage.canary === undefined) return [];
    const weight = weightOf(stage);
    const isLower = weight < highest;
    highest = Math.max(highest, weight);
    if (!isLower) return [];
    const what = {
      found: `${weight / 100} %, after ${highest / 100} %`,
      allowed: 'a weight that is not below an earlier one',
    };
    return [finding('weightFalls', `spec.release.stages[${index}].canary`, what)];
  });
}

function checkBake({ stages }: Declared): Finding[] {
  const at = stages.findIndex((stage) => stage.bake !== undefined);
  if (at < 0 || at === stages.length - 1) return [];
  const what = {
    found: 'a bake with stages behind it',
    allowed: 'bake as the last stage: every new key has the bundle then',
  };
  return [finding('bakeNotLast', `spec.release.stages[${at}]`, what)];
}

/** Automation promotes by positive evidence only. */
function checkRequire({ stages }: Declared): Finding[] {
  const last = stages.findLastIndex((stage) => stage.canary !== undefined);
  if (stages[last]?.canary?.until.require !== 'notFail') return [];
  if (stages.slice(last).some(({ approve }) => approve !== undefined && approve.when !== 'highRisk')) return [];
  const field = `spec.release.stages[${last}].canary.until.require`;
  const what = {
    found: '"notFail" in the last canary stage',
    allowed: '"pass", or an approval of every change behind it',
  };
  return [finding('promotedUnproven', field, what)];
}

function checkWindows({ freezeWindows = [] }: Declared): Finding[] {
  return freezeWindows.flatMap(({ cron, timeZone = 'UTC' }, index) => {
    const field = `spec.release.freezeWindows[${index}]`;
    const read = readCron(cron);
    const allowed = 'an IANA name such as Europe/Berlin, or UTC';
    return [
      ...(read.ok ? [] : [finding('freezeInvalid', `${field}.cron`, read)]),
      ...(isTimeZone(timeZone)
        ? []
        : [finding('freezeInvalid', `${field}.timeZone`, { found: quote(timeZone), allowed })]),
    ];
  });
}
