// Owns: where a schedule of a Workflow stands, in its status.
import { z } from 'zod';

export const scheduleStates = ['Active', 'Paused', 'Broken', 'Over'] as const;
const moment = () => z.string().max(40).optional();
const times = () => z.int().min(0);

export const scheduleStatusSchema = z.object({
  name: z.string().max(63).describe('Name of the schedule.'),
  state: z
    .enum(scheduleStates)
    .describe(
      'Active: it starts runs. Paused: by its spec, or by a person. Broken: see problem. Over: no time is left.',
    ),
  next: moment().describe('RFC 3339: when it starts the next run.'),
  last: moment().describe('RFC 3339: the due time of the last run that it started.'),
  lastRun: z.string().max(64).optional().describe('Id of that run.'),
  started: times().describe('Runs that it has started.'),
  skipped: times().describe('Due times that were let go, for whatever reason.'),
  missed: times().describe('Of those, how often due times had passed with no engine there.'),
  lastSkip: moment().describe('RFC 3339: the last due time that was let go.'),
  lastSkipReason: z
    .string()
    .max(600)
    .optional()
    .describe('Why it was let go, such as how the engine refused to start it.'),
  paused: z.string().max(2_600).optional().describe('Who has paused it and why.'),
  problem: z.string().max(600).optional().describe('Why nothing is started.'),
});
export type ScheduleStatus = z.infer<typeof scheduleStatusSchema>;
