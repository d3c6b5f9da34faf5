// Owns: schedules over HTTP: list, pause, resume, trigger.
import { SignalboxError } from '../../../api/errors.ts';
import type { ScheduleSummary } from '../../../api/messages/schedule.ts';
import { type Schedule, scheduleId, summaryOfSchedule } from '../../../core/schedule/plan.ts';
import type { Engine } from '../engine.ts';
import type { EnginePorts } from '../ports.ts';
import { pauseSchedule, wishOf } from '../schedules.ts';
import { start } from '../start.ts';

export interface ScheduleAsk {
  readonly engine: Engine;
  readonly ports: EnginePorts;
  readonly namespace: string;
}

export interface Named {
  readonly workflow: string;
  readonly name: string;
}

/** By workflow, then name. */
export async function listSchedules({ engine, ports, namespace }: ScheduleAsk): Promise<readonly ScheduleSummary[]> {
  const bucket = await engine.schedules.bucket();
  const found = [...engine.catalog.schedules()].filter((schedule) => schedule.namespace === namespace);
  const shown = await Promise.all(
    found.map(async (schedule) => {
      const entry = await bucket.get(scheduleId(schedule));
      return summaryOfSchedule(schedule, entry?.value, ports.clock.now());
    }),
  );
  return shown.toSorted((left, right) => (idOf(left) < idOf(right) ? -1 : 1));
}

const idOf = ({ workflow, name }: Named): string => `${workflow}/${name}`;

function find({ engine, namespace }: ScheduleAsk, named: Named): Schedule {
  for (const schedule of engine.catalog.schedules()) {
    if (schedule.namespace === namespace && idOf(schedule) === idOf(named)) return schedule;
  }
  throw new SignalboxError(
    'NOT_FOUND',
    `namespace ${namespace} has no schedule ${named.name} of workflow ${named.workflow}; see \`signalbox schedule list -n ${namespace}\``,
  );
}

/** `reason` undefined: resume. */
export async function pause(
  ask: ScheduleAsk,
  named: Named,
  by: { readonly user: string; readonly reason?: string },
): Promise<ScheduleSummary> {
  const schedule = find(ask, named);
  const now = ask.ports.clock.now();
  if (by.reason === undefined && schedule.spec.pause === true) {
    throw new SignalboxError(
      'STALE',
      `schedule ${named.name} is paused by its Workflow; set spec.triggers[].schedule.pause to false`,
    );
  }
  const paused = by.reason === undefined ? undefined : { by: by.user, at: now, reason: by.reason };
  const position = await pauseSchedule(await ask.engine.schedules.bucket(), schedule, { paused, now });
  return summaryOfSchedule(schedule, position, now);
}

/** One run now, beside the timetable. */
export function trigger(ask: ScheduleAsk, named: Named, by: { readonly user: string }) {
  const schedule = find(ask, named);
  const key = `schedule/${named.name}/by-hand/${ask.ports.ids.random()}`;
  return start(ask.engine, { ...wishOf(schedule, key), requestedBy: by.user });
}
