// What a parent does while its children are open: it ends, it becomes read-only.
import { describe, expect, test } from 'vitest';
import type { ChildRequest } from '../../api/messages/asks.ts';
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { forked, Play, rule, type Setting, simple, started, taskState } from '../../test/support/play.ts';
import { askChild } from './child.ts';
import { plan } from './plan.ts';

describe('while children that nobody waits for are still open', () => {
  const left = (next: WorkflowState, rest: Partial<Setting> = {}): Play => {
    const { states, transitions } = forked({ join: 'any' });
    const play = started(
      {
        states: { ...states, next, ship: taskState },
        transitions: [
          { from: 'work', to: 'next' },
          { from: 'next', to: 'ship' },
          { from: 'ship', to: 'done' },
          ...transitions.filter(({ from }) => from === 'count'),
        ],
        ...rest,
      },
      { customer: 'c' },
    );
    play.child('stock');
    return play;
  };
  const closeAll = (play: Play): void => {
    play.child('address', 'cancelled');
    play.child('credit', 'cancelled');
  };

  test.each<[string, NonNullable<WorkflowState['for']>, (play: Play) => unknown]>([
    ['an event', { event: 'paid', by: 'run.id' }, (play: Play) => play.event('paid', play.state.run)],
    ['a signal', { signal: 'paid' }, (play: Play) => play.signal('paid')],
    ['its time', { duration: '1m' }, (play: Play) => play.wait(60_000)],
  ])('a cancelled run that waited goes nowhere at %s', (_, what, cause) => {
    const play = left({ type: 'wait', for: what, timeout: '1h', exits: { timeout: 'late' } });
    play.cancel();
    cause(play);
    expect(play.state).toMatchObject({ state: 'next', ending: { outcome: 'cancelled' } });
    closeAll(play);
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'cancelled' });
    expect(play.types()).not.toContain('ActivityScheduled');
  });

  test('a signal to a run that is ending is refused, not kept for nobody', () => {
    const play = left({ type: 'wait', for: { signal: 'paid' }, timeout: '1h', exits: { timeout: 'late' } });
    play.cancel();
    expect(play.signal('paid')).toMatchObject({ ok: false, code: 'STALE' });
  });

  test('a result in doubt that goes to another workflow is not committed', () => {
    const rules = [rule({ signal: 'lowConfidence', below: '0.5', action: 'fallbackWorkflow', workflow: 'legal' })];
    const play = left(taskState, { rules, bundle: { policy: { confidenceFrom: 'reported' } } });
    play.complete({ confidence: 0.1 });
    expect(play.types()).not.toContain('ActivityCompleted');
    closeAll(play);
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'handedOver' });
  });
});

test('what is read-only has read-only children: those that it starts, and those that are at work', () => {
  const asked = (play: Play) =>
    plan(play)
      .flatMap((command) => ('request' in command ? [command.request] : []))
      .find(({ start }) => start.parent?.child === 'address');
  const ruled = started(forked({}, { rules: [rule({ signal: 'redFlag', patterns: ['x'], action: 'readOnly' })] }), {
    customer: 'x',
  });
  const child = new Play(simple());
  child.start({}, asked(ruled)?.start);
  expect(child.authorize('pay', {})).toMatchObject({ kind: 'Allowed', readOnly: true });

  const play = started(forked(), { customer: 'c' });
  const atWork = started();
  const ask = () => atWork.react((given) => askChild(given, asked(play) as ChildRequest));
  ask();
  expect(atWork.state.readOnly).toBe(false);
  play.readOnly(true);
  ask();
  expect(atWork.state.readOnly).toBe(true);
  const before = atWork.events.length;
  ask();
  expect(atWork.events).toHaveLength(before);
});
