// Owns: how a schedule looks in a list.
import type { ScheduleSummary } from '../../api/messages/schedule.ts';
import { age } from './quantity.ts';
import type { Column } from './table.ts';

const moment = (at: number | undefined): string =>
  at === undefined ? '-' : new Date(at).toISOString().replace('.000Z', 'Z');

export function scheduleColumns(now: number): readonly Column<ScheduleSummary>[] {
  return [
    { title: 'WORKFLOW', value: (one) => one.workflow, shrinkTo: 16 },
    { title: 'SCHEDULE', value: (one) => one.name, shrinkTo: 8 },
    { title: 'CRON', value: (one) => one.cron },
    { title: 'ZONE', value: (one) => one.timeZone, drop: 4 },
    { title: 'NEXT', value: (one) => (one.paused === undefined ? moment(one.next) : 'paused') },
    { title: 'LAST', value: (one) => (one.last === undefined ? '-' : age(now - one.last.at)), right: true, drop: 2 },
    { title: 'OPEN', value: (one) => String(one.open.length), right: true, drop: 3 },
    { title: 'STARTED', value: (one) => String(one.started), right: true, drop: 5 },
    { title: 'SKIPPED', value: (one) => String(one.skipped), right: true, drop: 1 },
    { title: 'OVERLAP', value: (one) => one.overlap, wide: true },
    { title: 'LAST RUN', value: (one) => one.last?.run ?? '-', wide: true },
    { title: 'WHY', value: why, wide: true },
  ];
}

function why({ problem, paused, lastSkip }: ScheduleSummary): string {
  if (problem !== undefined) return problem;
  if (paused !== undefined) return `paused by ${paused.by}: ${paused.reason}`;
  return lastSkip === undefined ? '-' : `skipped ${moment(lastSkip.due)}: ${lastSkip.reason}`;
}
