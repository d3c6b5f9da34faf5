// Owns: the runs whose histories are recorded for every release. Together they hold every type of event.
import type { WorkflowState } from '../../api/v1alpha1/workflow-state.ts';
import { loseWorker } from '../../core/workflow/poison.ts';
import { forked, Play, queuesDefault, rule, type Setting, simple, started, taskState } from '../support/play.ts';

const undo = (goal: string): WorkflowState => ({
  type: 'compensation',
  agent: 'clerk',
  goal,
  timeout: '60s',
  retry: { max: 0 },
  backup: 'none',
});
const saga: Setting = {
  states: {
    work: { ...taskState, compensation: 'unbook' },
    pay: { ...taskState, compensation: 'refund' },
    ship: taskState,
    unbook: undo('Give back slot ${facts.slot}.'),
    refund: undo('Pay back ${facts.paid}.'),
  },
  transitions: [
    { from: 'work', to: 'pay' },
    { from: 'pay', to: 'ship' },
    { from: 'ship', to: 'done' },
  ],
};
const loop: Setting = {
  states: { work: taskState, again: { type: 'decision' } },
  transitions: [
    { from: 'work', to: 'again' },
    { from: 'again', when: 'facts.ok', to: 'done' },
    { from: 'again', to: 'work' },
  ],
  limits: { continueAfter: 20 },
};
const approved: Setting = simple({ rules: [rule({ signal: 'redFlag', action: 'humanQueue', patterns: ['hurt'] })] });

function turnsAndEffects(): Play {
  const play = started();
  play.turn(play.said(1, { calls: [{ id: 'c1', tool: 'find', args: { n: 1 } }] }), true);
  play.turn(play.called(1, 'find', 'ok', { args: { n: 1 } }));
  play.fail();
  play.complete({ n: 3 });
  return play;
}

function backupAndTime(): Play {
  const play = started();
  for (let n = 0; n < 5; n += 1)
    play.react((given) => loseWorker(given, { activity: 'work.1', attempt: 1, worker: 'w' }));
  play.wait(61_000);
  return play;
}

function waits(): Play {
  const by = { from: 'work', to: 'hear' };
  const play = started(
    {
      states: {
        work: { type: 'wait', for: { event: 'calls.done', by: 'input.id' }, timeout: '1h', exits: { timeout: 'late' } },
        hear: { type: 'wait', for: { signal: 'paid' }, timeout: '1h', exits: { timeout: 'late' } },
        pause: { type: 'wait', for: { duration: '5m' } },
        late2: { type: 'wait', for: { signal: 'never' }, timeout: '1h', exits: { timeout: 'late' } },
      },
      transitions: [by, { from: 'hear', to: 'pause' }, { from: 'pause', to: 'late2' }, { from: 'late2', to: 'done' }],
    },
    { id: 'c-1' },
  );
  play.event('calls.done', 'c-1', { ok: true });
  play.signal('paid', { amount: 3 });
  play.wait();
  play.wait();
  return play;
}

function asked(): Play {
  const play = started(approved, { text: 'it is hurt' });
  play.decide('approve');
  play.turn(play.called(1, 'pay', 'approvalRequired', { args: { cents: 5 } }));
  play.decide('approve');
  play.authorize('pay', { cents: 5 }, { approvalNeeded: true, effectful: true });
  play.complete({ ok: true });
  return play;
}

function movedAndExpired(): Play {
  const play = started(
    simple({
      rules: [rule({ signal: 'redFlag', action: 'humanQueue', patterns: ['hurt'], queue: 'emergency' })],
      queues: queuesDefault,
    }),
    { text: 'hurt' },
  );
  play.wait();
  play.wait();
  return play;
}

function handedOver(): Play {
  return started(
    simple({
      rules: [rule({ signal: 'redFlag', action: 'fallbackWorkflow', patterns: ['hurt'], workflow: 'call-back' })],
    }),
    { text: 'hurt' },
  );
}

function readOnly(): Play {
  const play = started(simple({ rules: [rule({ signal: 'redFlag', action: 'readOnly', patterns: ['hurt'] })] }), {
    text: 'hurt',
  });
  // Not for `ann`, who started the run.
  play.readOnly(false, 'bob');
  play.freeze();
  play.resume();
  play.cancel();
  return play;
}

function observed(): Play {
  const observes = rule({ signal: 'redFlag', action: 'humanQueue', patterns: ['hurt'], mode: 'observe' });
  const play = started(
    simple({ rules: [observes], spec: { attributes: { customer: { value: 'input.text', type: 'string' } } } as never }),
    { text: 'hurt' },
  );
  play.complete({});
  return play;
}

function undone(): Play {
  const play = started(saga);
  play.complete({ slot: 's1' });
  play.complete({ paid: 30 });
  play.cancel();
  play.fail(false);
  play.decide('reject', { reason: 'paid back by hand' });
  play.complete({});
  return play;
}

function continued(): Play {
  const play = started(loop);
  for (let visit = 0; visit < 8; visit += 1) play.complete({ ok: false, visit });
  play.complete({ ok: true });
  return play;
}

function children(): Play {
  const play = started(forked({ join: 'any' }), { customer: 'c-7' });
  play.child('stock', 'failed');
  play.child('credit', 'success');
  play.child('address', 'cancelled');
  return play;
}

export const scenarios: Readonly<Record<string, () => Play>> = {
  'turns-and-effects': turnsAndEffects,
  'backup-and-time': backupAndTime,
  waits,
  asked,
  'moved-and-expired': movedAndExpired,
  'handed-over': handedOver,
  'read-only': readOnly,
  observed,
  undone,
  continued,
  children,
};
