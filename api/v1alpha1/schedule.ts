// Owns: the schedule of a Workflow, one of its triggers.
import { z } from 'zod';
import { overlaps } from '../messages/schedule.ts';
import { anyObject, count, duration, identifier, text } from '../schema.ts';

export const scheduleSchema = z.object({
  name: identifier()
    .optional()
    .describe('Default `default`; needed when the workflow has several schedules. Another name has no past.'),
  cron: text(128).describe(
    'minute hour day month weekday, such as `30 6 * * mon-fri`; six fields: second first. `L` as day: the last of the month. Or @hourly, @daily, @weekly, @monthly, @yearly.',
  ),
  timeZone: z
    .string()
    .max(64)
    .regex(/^[A-Za-z][A-Za-z0-9_+\-/]*$/)
    .optional()
    .describe('IANA name such as Europe/Berlin. Default UTC.'),
  catchUp: z
    .object({
      window: duration().optional().describe('Due times missed longer ago are skipped. Default 1h, at most 7 days.'),
      max: count(100, 1).optional().describe('Of the missed ones, the newest so many are started. Default 1.'),
    })
    .optional()
    .describe('What is done about due times that passed while no engine was there.'),
  overlap: z
    .enum(overlaps)
    .optional()
    .describe(
      'When the last run has not ended. skip (default): the due time is skipped. bufferOne: one waits for the end. allow: started beside it. cancelOther: the last run is cancelled.',
    ),
  jitter: duration()
    .optional()
    .describe('Each start is put off by a part of this that follows from its due time; at most 1h.'),
  pause: z.boolean().optional().describe('Nothing is started; due times meanwhile are skipped.'),
  input: anyObject().optional().describe('Input of the runs; must fit spec.input.'),
});
export type ScheduleTrigger = z.infer<typeof scheduleSchema>;
