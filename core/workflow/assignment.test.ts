// How the assignments of a rollout get into a run, and what keeps them.
import { describe, expect, test } from 'vitest';
import type { StartRequest } from '../../api/messages/asks.ts';
import type { AgentSnapshot } from '../../api/messages/catalog.ts';
import type { Assignment, RolloutOffer } from '../../api/messages/rollout.ts';
import { forked, Play, started, untilOk } from '../../test/support/play.ts';
import { foldHistory } from './evolve.ts';
import { plan } from './plan.ts';
import { startRun } from './start.ts';
import { initialState } from './state.ts';

const offer: RolloutOffer = {
  name: 'clerk-1',
  uid: 'u1',
  salt: 's',
  weightBps: 500,
  canary: { bundle: 'b2', digest: 'sha256:new' },
};
const assignment: Assignment = { rollout: 'u1', arm: 'canary', unit: 'u', first: true, weightBps: 500 };
const request: StartRequest = {
  run: 'Run1',
  namespace: 'ns',
  workflow: 'wf',
  input: { customer: 'c-7' },
  requestedBy: 'ann',
  source: 'http',
};

function start(more: { rollout?: RolloutOffer; assigned?: Assignment; request?: Partial<StartRequest> } = {}) {
  const { definition } = new Play(forked());
  const agents = (name: string): AgentSnapshot => ({
    ...({ namespace: 'ns', role: 'all', generation: 1, permissions: [], bundle: 'b1' } as const),
    name,
    bundleDigest: 'sha256:old',
    ...(name === 'clerk' && more.rollout !== undefined ? { rollout: more.rollout } : {}),
  });
  const assigned = more.assigned === undefined ? undefined : new Map([['clerk', more.assigned]]);
  return startRun({ definition, now: 1_000, request: { ...request, ...more.request }, agents, assigned });
}

const firstOf = (reaction: ReturnType<typeof start>) => {
  const [event] = reaction.events;
  if (event?.type !== 'RunStarted') throw new Error(`found ${event?.type}`);
  return event;
};

describe('a start', () => {
  test('without a rollout the event is what it was', () => {
    const event = firstOf(start());
    expect(event.pins['clerk']).toBe('sha256:old');
    expect(Object.hasOwn(event, 'assignments')).toBe(false);
  });

  test('pins the canary, says why, and it is folded', () => {
    const reaction = start({ rollout: offer, assigned: assignment });
    expect(firstOf(reaction)).toMatchObject({
      pins: { clerk: 'sha256:new', helper: 'sha256:old' },
      assignments: { clerk: assignment },
    });
    expect(foldHistory(initialState('Run1'), reaction.events).assignments).toEqual({ clerk: assignment });
  });

  test('whose rollout changed meanwhile is asked again, and has written nothing', () => {
    const reaction = start({ rollout: { ...offer, uid: 'u2' }, assigned: assignment });
    expect(reaction.events).toEqual([]);
    expect(reaction.reply).toMatchObject({ ok: false, code: 'NOT_OWNER' });
  });

  test('at weight 0 nobody has the canary, and nothing is said of it', () => {
    const event = firstOf(start({ rollout: { ...offer, weightBps: 0 }, assigned: assignment }));
    expect(event.pins['clerk']).toBe('sha256:old');
    expect(event.assignments).toBeUndefined();
  });
});

describe('what keeps it', () => {
  test('a branch has the pins and the arm of its parent, and is not the first of its key', () => {
    const play = started(forked(), { customer: 'c-7' });
    const parent = { ...play.state, assignments: { clerk: assignment }, pins: { clerk: 'sha256:new' } };
    const asked = plan({ state: parent, definition: play.definition }).filter((command) => 'request' in command);
    const branch = asked.find(({ request: { start: wanted } }) => wanted.branch !== undefined)?.request.start;
    const { first: _first, ...rest } = assignment;
    expect(branch?.branch).toMatchObject({ pins: { clerk: 'sha256:new' }, assignments: { clerk: rest } });
    const event = firstOf(start({ rollout: { ...offer, weightBps: 0 }, request: branch ?? {} }));
    expect(event).toMatchObject({ pins: { clerk: 'sha256:new' }, assignments: { clerk: rest } });
    const other = asked.find(({ request: { start: wanted } }) => wanted.branch === undefined)?.request.start;
    expect(JSON.stringify(other)).not.toContain('assignments');
  });

  test('a history that is continued keeps it, with what counted so far', () => {
    const play = started({
      ...untilOk(),
      limits: { continueAfter: 5 },
    });
    play.state = { ...play.state, assignments: { clerk: assignment } };
    for (let visit = 0; visit < 3; visit += 1) play.complete({ ok: false });
    expect(play.types()).toContain('HistoryContinued');
    const at = play.events.findIndex(({ type }) => type === 'HistoryContinued');
    const continued = foldHistory(initialState('Run1'), play.events.slice(at));
    expect(continued.assignments).toEqual({ clerk: assignment });
    expect(continued.fared?.agents['clerk']?.proposed).toBe(3);
  });
});
