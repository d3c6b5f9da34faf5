import { describe, expect, test } from 'vitest';
import { Play, run, rule, simple, started } from '../../test/support/play.ts';
import type { EscalationRule } from '../../api/v1alpha1/escalation-policy.ts';
import { runIdFor } from './partition.ts';
import { plan } from './plan.ts';

describe('escalation: every action, at the moment its signal is seen', () => {
  const red = (action: EscalationRule['action'], more: Partial<EscalationRule> = {}): EscalationRule =>
    rule({ signal: 'redFlag', patterns: ['danger'], action, ...more });

  test.each(['humanQueue', 'approval', 'freeze'] as const)(
    '%s before anything acts; a yes goes on, a no hands over',
    (action) => {
      const play = started(simple({ rules: [red(action)] }), { text: 'Danger!' });
      expect(play.types()).toEqual(['RunStarted', 'EscalationOpened']);
      expect(play.state.status).toBe(action === 'freeze' ? 'Frozen' : 'Waiting');
      expect(plan(play).some((command) => command.kind === 'DispatchTask')).toBe(false);
      play.decide();
      expect(play.state).toMatchObject({ status: 'Running', activity: { id: 'work.1', phase: 'Scheduled' } });
      play.turn(play.said(1, { text: 'there is danger' }));
      expect(play.state.status).toBe('Running');
      const no = started(simple({ rules: [red(action)] }), { text: 'Danger!' });
      no.decide('reject');
      expect(no.state).toMatchObject({ status: 'Closed', outcome: 'handedOver', attempts: 0 });
    },
  );

  test('readOnly goes on without effects', () => {
    const play = started(simple({ rules: [red('readOnly')] }), { text: 'danger' });
    expect(play.state).toMatchObject({ readOnly: true, status: 'Running' });
    expect(play.authorize('find', {})).toMatchObject({ kind: 'Allowed', readOnly: true });
  });

  test('fallbackWorkflow: another workflow gets the case, under a name that never changes', () => {
    const play = started(simple({ rules: [red('fallbackWorkflow', { workflow: 'call-back' })] }), { text: 'danger' });
    expect(play.state).toMatchObject({ status: 'Closed', outcome: 'handedOver' });
    const commands = plan(play).filter((command) => command.kind === 'StartFallback');
    expect(commands).toMatchObject([
      {
        workflow: 'call-back',
        run: runIdFor('ns', 'call-back', `fallback/${run}`),
        input: { run, workflow: 'wf', input: { text: 'danger' } },
      },
    ]);
  });

  test.each([
    ['backupRoute', {}, 'helper', 'backup'],
    ['specialist', { agent: 'expert' }, 'expert', 'specialist'],
  ] as const)('%s: another agent has the task; once it was used, a person is asked', (action, more, agent, route) => {
    for (const text of ['danger', 'calm']) {
      const play = started(simple({ rules: [red(action, more)] }), { text });
      if (text === 'calm') expect(play.turn(play.said(1, { text: 'danger' }))).toMatchObject({ kind: 'Stop' });
      expect(play.state.activity).toMatchObject({ agent, route, attempt: 2 });
    }
    const unsure = started(
      simple({
        rules: [rule({ signal: 'lowConfidence', below: '0.5', action, ...more })],
        bundle: { policy: { confidenceFrom: 'reported' } },
      }),
    );
    unsure.complete({ confidence: 0.1 });
    expect(unsure.state.activity).toMatchObject({ agent, route });
    expect(unsure.types()).not.toContain('ActivityCompleted');
    unsure.complete({ confidence: 0.1 });
    expect(unsure.state).toMatchObject({ status: 'Waiting' });
    unsure.decide();
    expect(unsure.state).toMatchObject({ outcome: 'success', facts: { confidence: 0.1 } });
  });

  test('a doubtful result waits, verified and bound by its digest; a yes moves on without asking the agent again', () => {
    const play = started(
      simple({
        rules: [rule({ signal: 'lowConfidence', below: '0.5', action: 'humanQueue' })],
        bundle: { policy: { confidenceFrom: 'reported' } },
      }),
    );
    expect(play.complete({ answer: 1 })).toEqual({ kind: 'Go' });
    expect(play.state).toMatchObject({ status: 'Waiting', escalation: { facts: { signal: 'lowConfidence' } } });
    expect(play.complete({ answer: 1 })).toEqual({ kind: 'Go' });
    play.decide();
    expect(play.state).toMatchObject({ outcome: 'success', attempts: 1 });
  });

  test('observe only takes a note, once per activity', () => {
    const play = started(simple({ rules: [rule({ signal: 'loop', atLeast: 1, action: 'freeze', mode: 'observe' })] }));
    play.turn(play.called(1, 'find', 'ok'));
    play.turn(play.called(2, 'find', 'ok'));
    expect(play.types().filter((type) => type === 'SignalObserved')).toHaveLength(1);
    expect(play.state.status).toBe('Running');
  });

  test.each<[string, EscalationRule, (play: Play) => unknown]>([
    [
      'redFlag in arguments',
      rule({ signal: 'redFlag', patterns: ['danger'], action: 'freeze' }),
      (play) => play.turn(play.said(1, { calls: [{ id: 'c', tool: 'say', args: { text: 'Danger' } }] }), true),
    ],
    [
      'redFlag in a result',
      rule({ signal: 'redFlag', patterns: ['danger'], action: 'freeze' }),
      (play) => play.complete({ text: 'danger' }),
    ],
    [
      'userFrustration',
      rule({ signal: 'userFrustration', patterns: ['angry'], action: 'freeze' }),
      (play) => play.turn(play.said(1, { text: 'the user is angry' })),
    ],
    [
      'permissionDenied',
      rule({ signal: 'permissionDenied', action: 'freeze' }),
      (play) => play.turn(play.called(1, 'pay', 'denied')),
    ],
    [
      'loop',
      rule({ signal: 'loop', atLeast: 2, action: 'freeze' }),
      (play) => [1, 2].map((turn) => play.turn(play.called(turn, 'find', 'ok'))),
    ],
    [
      'conflictingOutputs',
      rule({ signal: 'conflictingOutputs', fields: ['id'], action: 'freeze' }),
      (play) => [
        play.turn(play.called(1, 'a', 'ok', { result: { id: 1 } })),
        play.turn(play.called(2, 'b', 'ok', { result: { id: 2 } })),
      ],
    ],
    [
      'repeatedRetries',
      rule({ signal: 'repeatedRetries', atLeast: 2, action: 'freeze' }),
      (play) => [play.fail(), play.fail()],
    ],
    ['verifierReject', rule({ signal: 'verifierReject', action: 'freeze' }), (play) => play.complete({}, {}, 'wrong')],
    ['abnormalLatency', rule({ signal: 'abnormalLatency', above: '5s', action: 'freeze' }), (play) => play.wait()],
    ['budget', rule({ signal: 'budget', percent: 50, action: 'freeze' }), (play) => play.turn(play.said(1))],
    [
      'ambiguousEffect',
      rule({ signal: 'ambiguousEffect', action: 'freeze' }),
      (play) => play.turn(play.called(1, 'pay', 'ambiguous')),
    ],
    [
      'lowConfidence',
      rule({ signal: 'lowConfidence', below: '1', action: 'freeze' }),
      (play) => play.complete({ confidence: 0.9 }),
    ],
  ])('the signal %s freezes a running activity; a yes lets it go on', (_, one, cause) => {
    const play = started(simple({ rules: [one], spec: { budget: { perRunMicros: 20 } } }));
    cause(play);
    expect(play.state).toMatchObject({
      status: 'Frozen',
      escalation: { facts: { rule: 'rule', action: 'freeze', queue: 'desk' } },
    });
    play.now += 10_000;
    play.decide();
    expect(play.state.status === 'Frozen').toBe(false);
  });

  test('time that people take is not the agent’s', () => {
    const play = started(simple({ rules: [rule({ signal: 'permissionDenied', action: 'humanQueue' })] }));
    play.turn(play.called(1, 'pay', 'denied'));
    play.now += 600_000;
    play.decide();
    expect(play.state.activity?.deadline).toBe(1_000_000 + 60_000 + 600_000);
  });

  test('without any rule an effect that nobody knows of goes to a person, each one', () => {
    const play = started();
    play.turn(play.called(1, 'pay', 'ambiguous'));
    expect(play.state).toMatchObject({
      status: 'Waiting',
      escalation: { facts: { signal: 'ambiguousEffect', queue: 'default' } },
    });
    play.decide();
    play.turn(play.called(2, 'refund', 'ambiguous'));
    expect(play.state).toMatchObject({ status: 'Waiting', escalations: [{}, {}] });
  });

  test.each([
    ['of no rule', []],
    ['of a later rule', [rule({ name: 'doubt', signal: 'ambiguousEffect', action: 'approval' })]],
  ])('a rule that stops nothing does not take the word %s about an effect that nobody knows of', (_, later) => {
    const play = started(simple({ rules: [red('readOnly'), ...later] }));
    play.turn({ ...play.called(1, 'pay', 'ambiguous'), text: 'danger' });
    expect(play.state).toMatchObject({
      readOnly: true,
      status: 'Waiting',
      escalation: { facts: { signal: 'ambiguousEffect' } },
    });
    const doubt = rule({ signal: 'ambiguousEffect', action: 'readOnly' });
    const told = started(simple({ rules: [doubt] }));
    told.turn(told.called(1, 'pay', 'ambiguous'));
    expect(told.types().filter((type) => type === 'ReadOnlySet')).toHaveLength(1);
  });

  test('the bundle’s own floor stops a result where no rule speaks of confidence', () => {
    const play = started(simple({ bundle: { policy: { confidenceFloor: '0.7', confidenceFrom: 'reported' } } }));
    play.complete({ confidence: 0.65 });
    expect(play.state).toMatchObject({ status: 'Waiting', escalation: { facts: { signal: 'lowConfidence' } } });
  });
});
