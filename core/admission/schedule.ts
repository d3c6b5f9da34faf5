// Owns: the static checks of a Workflow's schedules.
import type { ScheduleTrigger } from '../../api/v1alpha1/schedule.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import { durationMs } from '../routing/duration.ts';
import { dayMs, daysOf } from '../schedule/calendar.ts';
import { readCron } from '../schedule/cron.ts';
import { nextTime } from '../schedule/next.ts';
import { isTimeZone } from '../schedule/zone.ts';
import { type Finding, finding, quote, repeated } from './finding.ts';

const windowMaxMs = 7 * dayMs;
const jitterMaxMs = 3_600_000;
/** A date that comes has come within nine years of this one. */
const someday = daysOf({ year: 2024, month: 1, day: 1 }) * dayMs;

export function checkSchedules({ triggers = [] }: WorkflowSpec): readonly Finding[] {
  const found = triggers.flatMap(({ schedule }, index) =>
    schedule === undefined ? [] : checkSchedule(`spec.triggers[${index}].schedule`, schedule),
  );
  const names = triggers.flatMap(({ schedule }) => (schedule === undefined ? [] : [schedule.name ?? 'default']));
  const twice = repeated(names).map((name) =>
    finding('scheduleNameTwice', 'spec.triggers', {
      found: `more than one schedule with the name ${quote(name)}`,
      allowed: 'a `name` of its own for each schedule; without one it is "default"',
    }),
  );
  return [...found, ...twice];
}

function checkSchedule(field: string, { cron, timeZone = 'UTC', catchUp, jitter }: ScheduleTrigger): Finding[] {
  const found: Finding[] = [];
  const read = readCron(cron);
  if (!read.ok) {
    found.push(finding('scheduleInvalid', `${field}.cron`, read));
  } else if (nextTime(read.cron, 'UTC', someday) === undefined) {
    found.push(
      finding('scheduleInvalid', `${field}.cron`, {
        found: `${quote(cron)}, a date that never comes`,
        allowed: 'a day that the month has',
      }),
    );
  }
  if (!isTimeZone(timeZone)) {
    const allowed = 'an IANA name such as Europe/Berlin, or UTC';
    found.push(finding('scheduleInvalid', `${field}.timeZone`, { found: quote(timeZone), allowed }));
  }
  if (durationMs(catchUp?.window, 0) > windowMaxMs) {
    found.push(
      finding('scheduleInvalid', `${field}.catchUp.window`, {
        found: quote(catchUp?.window ?? ''),
        allowed: 'at most 168h',
      }),
    );
  }
  if (durationMs(jitter, 0) > jitterMaxMs) {
    found.push(finding('scheduleInvalid', `${field}.jitter`, { found: quote(jitter ?? ''), allowed: 'at most 1h' }));
  }
  return found;
}
