import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { overlaps, type SchedulePosition } from '../../api/messages/schedule.ts';
import type { ScheduleTrigger } from '../../api/v1alpha1/schedule.ts';
import { timeOf } from './calendar.ts';
import { dueRun, planSchedule, type Schedule, type SchedulePlan, settlePending } from './plan.ts';

const at = (text: string): number => timeOf(`2026-06-01T${text}Z`);
const scheduleOf = (spec: Partial<ScheduleTrigger> = {}): Schedule => ({
  namespace: 'clinic',
  workflow: 'report',
  name: 'default',
  spec: { cron: '0 * * * *', ...spec },
});

/** A schedule played through time, by whoever looks and crashes. */
class Played {
  readonly schedule: Schedule;
  position: SchedulePosition | undefined;
  readonly started: string[] = [];
  readonly cancelled: string[] = [];
  readonly ended = new Set<string>();

  constructor(spec: Partial<ScheduleTrigger> = {}) {
    this.schedule = scheduleOf(spec);
  }

  plan(now: number): SchedulePlan {
    const open = (this.position?.open ?? []).filter((run) => !this.ended.has(run));
    return planSchedule(this.schedule, this.position, { now, open });
  }

  /** One look; `crashAfter`: how far it gets. */
  look(now: number, crashAfter: 'plan' | 'write' | 'start' | 'nothing' = 'nothing'): SchedulePlan {
    const plan = this.plan(now);
    if (crashAfter === 'plan') return plan;
    this.position = plan.position;
    if (crashAfter === 'write') return plan;
    for (const run of plan.position.cancels) {
      this.cancelled.push(run);
      this.ended.add(run);
    }
    for (const { run } of plan.position.pending) if (!this.started.includes(run)) this.started.push(run);
    if (crashAfter === 'start') return plan;
    this.position = settlePending(
      plan.position,
      { done: plan.position.pending.map(({ run }) => run), refused: {} },
      now,
    );
    return plan;
  }

  run(time: string): string {
    return dueRun(this.schedule, at(time));
  }
}

test('a new schedule has no past; its first due time is the next one', () => {
  const played = new Played();
  expect(played.look(at('10:20:00'))).toMatchObject({ nextAt: at('11:00:00') });
  expect(played.look(at('10:59:59')).position.pending).toEqual([]);
  expect(played.look(at('11:00:00')).position.pending).toEqual([{ due: at('11:00:00'), run: played.run('11:00:00') }]);
  expect(played.look(at('11:00:01')).position).toMatchObject({ started: 1, skipped: 0, until: at('11:00:00') });
});

describe('nobody was there', () => {
  test('the newest missed time within the window is started, the others are let go with a reason', () => {
    const played = new Played({ catchUp: { window: '6h', max: 2 } });
    played.look(at('00:30:00'));
    played.look(at('12:10:00'));
    expect(played.started).toEqual([played.run('11:00:00')]);
    expect(played.position).toMatchObject({
      until: at('12:00:00'),
      lastSkip: { due: at('12:00:00'), reason: `overlap: run ${played.run('11:00:00')} has not ended` },
    });
  });

  test('nothing within the window: nothing is started, once and for all', () => {
    const played = new Played({ cron: '0 6 * * *', catchUp: { window: '10m' } });
    played.look(at('05:00:00'));
    played.look(at('07:00:00'));
    const { skipped } = played.position ?? { skipped: 0 };
    expect(played.started).toEqual([]);
    expect(played.position?.lastSkip).toMatchObject({
      due: at('06:00:00'),
      reason: 'missed: no engine was there in time',
    });
    expect(played.position?.missed).toBe(1);
    played.look(at('07:00:01'));
    expect(played.position?.skipped).toBe(skipped);
  });

  test('every second, a week away: cheap, and only the newest', () => {
    const played = new Played({ cron: '* * * * * *', catchUp: { window: '168h', max: 3 }, overlap: 'allow' });
    played.look(at('00:00:00'));
    played.look(at('00:00:00') + 7 * 86_400_000);
    expect(played.started).toHaveLength(3);
  });

  test('another timetable does not make up for its own past', () => {
    const played = new Played({ cron: '0 0 1 1 *' });
    played.look(at('10:00:00'));
    Object.assign(played.schedule, { spec: { cron: '* * * * *' } });
    played.look(at('10:30:30'));
    expect(played.started).toEqual([]);
    played.look(at('10:31:00'));
    expect(played.started).toEqual([played.run('10:31:00')]);
  });
});

describe('the last run has not ended', () => {
  const busy = (overlap: ScheduleTrigger['overlap']): Played => {
    const played = new Played({ overlap });
    for (const time of ['10:30:00', '11:00:00', '12:00:00', '13:00:00']) played.look(at(time));
    return played;
  };

  test('skip: the due time is skipped with the name of the run', () => {
    const played = busy('skip');
    expect(played.started).toEqual([played.run('11:00:00')]);
    expect(played.position?.lastSkip?.reason).toContain(played.run('11:00:00'));
    played.ended.add(played.run('11:00:00'));
    played.look(at('14:00:00'));
    expect(played.started).toHaveLength(2);
  });

  test('bufferOne: exactly one waits and starts when it may, though late', () => {
    const played = busy('bufferOne');
    expect(played.position).toMatchObject({ buffered: at('12:00:00'), skipped: 1 });
    // Nobody looks again and again without a pause meanwhile.
    expect(played.look(at('13:10:00')).nextAt).toBeGreaterThan(at('13:10:00'));
    played.ended.add(played.run('11:00:00'));
    played.look(at('13:20:00'));
    expect(played.started).toEqual([played.run('11:00:00'), played.run('12:00:00')]);
    expect(played.position?.buffered).toBeUndefined();
  });

  test('allow: beside it', () => {
    expect(busy('allow').started).toHaveLength(3);
  });

  test('cancelOther: the last run is cancelled first', () => {
    const played = busy('cancelOther');
    expect(played.cancelled).toEqual([played.run('11:00:00'), played.run('12:00:00')]);
    expect(played.position?.open).toEqual([played.run('13:00:00')]);
  });
});

test('a pause skips, and is not made up for', () => {
  const played = new Played();
  played.look(at('10:30:00'));
  played.position = { ...(played.position as SchedulePosition), paused: { by: 'ann', at: 0, reason: 'holiday' } };
  played.look(at('12:30:00'));
  expect(played.position.lastSkip?.reason).toBe('paused');
  const { paused: _paused, ...resumed } = played.position;
  played.position = resumed;
  played.look(at('12:30:01'));
  expect(played.started).toEqual([]);
  played.look(at('13:00:00'));
  expect(played.started).toEqual([played.run('13:00:00')]);
});

test('jitter puts a start off by less than itself, always by the same', () => {
  const played = new Played({ jitter: '30m' });
  const { nextAt = 0 } = played.look(at('10:30:00'));
  expect(nextAt).toBeGreaterThanOrEqual(at('11:00:00'));
  expect(nextAt).toBeLessThan(at('11:30:00'));
  played.look(nextAt - 1);
  expect(played.started).toEqual([]);
  played.look(nextAt);
  expect(played.started).toEqual([played.run('11:00:00')]);
});

test('a start that is refused is skipped with the reason', () => {
  const played = new Played();
  played.look(at('10:30:00'));
  const { position } = played.plan(at('11:00:00'));
  const settled = settlePending(
    position,
    { done: [], refused: { [played.run('11:00:00')]: 'the input does not fit' } },
    at('11:00:01'),
  );
  expect(settled).toMatchObject({ pending: [], open: [], started: 0, skipped: 1 });
  expect(settled.lastSkip?.reason).toBe('refused: the input does not fit');
});

const crash = fc.constantFrom('plan' as const, 'write' as const, 'start' as const, 'nothing' as const);

test('whoever looks whenever and crashes wherever: each due time is started or skipped once, none is lost, overlap holds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ passes: fc.nat(40 * 60_000), crashAfter: crash, ends: fc.boolean() }), { maxLength: 60 }),
      fc.constantFrom(...overlaps),
      fc.integer({ min: 1, max: 3 }),
      (steps, overlap, max) => {
        const played = new Played({ cron: '*/10 * * * *', overlap, catchUp: { window: '2h', max } });
        let now = at('00:05:00');
        played.look(now);
        for (const { passes, crashAfter, ends } of steps) {
          now += passes;
          if (ends) for (const run of played.started) played.ended.add(run);
          const running = played.started.filter((run) => !played.ended.has(run));
          const before = played.started.length;
          const written = played.position?.pending.length ?? 0;
          played.look(now, crashAfter);
          if (overlap === 'skip' && written === 0 && played.started.length > before) expect(running).toEqual([]);
        }
        played.look(now);
        played.look(now);
        expect(new Set(played.started).size).toBe(played.started.length);
        const { started, skipped, until, buffered, pending } = played.position as SchedulePosition;
        expect(pending).toEqual([]);
        expect(started).toBe(played.started.length);
        expect(until).toBeLessThanOrEqual(now);
        // Every ten minutes is accounted for; those let go together count as one at least.
        const all = Math.floor((until - at('00:00:00')) / 600_000);
        expect(started + skipped + (buffered === undefined ? 0 : 1)).toBeLessThanOrEqual(all);
        if (until > at('00:05:00')) expect(started + skipped + (buffered === undefined ? 0 : 1)).toBeGreaterThan(0);
        expect(played.plan(now).position.until).toBe(until);
      },
    ),
  );
});
