// Owns: what the status of a Workflow says about its schedules: the positions that engines have written, in words.
import type { SchedulePosition, ScheduleSummary } from '../../api/messages/schedule.ts';
import type { ScheduleStatus } from '../../api/v1alpha1/schedule-status.ts';
import { timeText } from '../../core/schedule/calendar.ts';
import { summaryOfSchedule } from '../../core/schedule/plan.ts';
import type { Instant } from '../../ports/system.ts';
import type { WorkflowObject } from '../catalog/objects.ts';

const reasonMax = 600;
const cut = (text: string): string => text.slice(0, reasonMax);

/** In the order of the spec. `positions`: by name of the schedule. */
export function scheduleStatuses(
  { metadata, spec }: WorkflowObject,
  positions: ReadonlyMap<string, SchedulePosition>,
  now: Instant,
): readonly ScheduleStatus[] {
  const { namespace = '', name: workflow } = metadata;
  return (spec.triggers ?? []).flatMap(({ schedule }) => {
    if (schedule === undefined) return [];
    const name = schedule.name ?? 'default';
    return [statusOf(summaryOfSchedule({ namespace, workflow, name, spec: schedule }, positions.get(name), now))];
  });
}

function statusOf(summary: ScheduleSummary): ScheduleStatus {
  const { name, next, last, lastSkip, paused, problem, started, skipped, missed = 0 } = summary;
  return {
    name,
    state: stateOf(summary),
    ...(next === undefined || problem !== undefined ? {} : { next: timeText(next) }),
    ...(last === undefined ? {} : { last: timeText(last.due), lastRun: last.run }),
    started,
    skipped,
    missed,
    ...(lastSkip === undefined ? {} : { lastSkip: timeText(lastSkip.due), lastSkipReason: cut(lastSkip.reason) }),
    ...(paused === undefined ? {} : { paused: `by ${paused.by}: ${paused.reason}` }),
    ...(problem === undefined ? {} : { problem: cut(problem) }),
  };
}

function stateOf({ problem, paused, next }: ScheduleSummary): ScheduleStatus['state'] {
  if (problem !== undefined) return 'Broken';
  if (paused !== undefined) return 'Paused';
  return next === undefined ? 'Over' : 'Active';
}
