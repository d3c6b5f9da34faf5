// The most dangerous moments of each protocol; `make crash-sweep` takes all of them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cases, nameOf } from '../crash/cases.ts';
import { endRuntime, sweepPlane, sweepRuntime } from '../crash/lanes.ts';
import { planeCases, planeNameOf } from '../crash/plane-cases.ts';
import { PlaneStage } from '../crash/plane-stage.ts';
import { CrashStage } from '../crash/stage.ts';

const minutes = 60_000;

describe('engine, gateway and worker', () => {
  const taken = [
    'engine.ask.decided/start kill wire',
    'engine.ask.decided/decide kill approval',
    'engine.append.before@3 kill wire',
    'engine.append.after@3 kill wire',
    'engine.blob.written nats large',
    'engine.letter.noted kill letter',
    'engine.timer.fired kill timer',
    'engine.child.joined kill fork',
    'gateway.ledger.opened kill pay-plain',
    'gateway.tool.answered kill pay-key',
    'gateway.tool.answered kill pay-query',
    'gateway.tool.answered nats pay-plain',
    'gateway.ledger.settled kill wire',
    'worker.ask.answered/propose kill pay-key',
    'worker.ask.answered/complete kill pay-key',
  ];
  let stage: CrashStage;
  beforeAll(async () => {
    stage = await CrashStage.start();
  });
  afterAll(() => stage?.stop());

  test.each(taken)(
    '%s',
    async (name) => {
      const one = cases.find((each) => nameOf(each) === name);
      if (one === undefined) throw new Error('there is no such case');
      expect(await sweepRuntime(stage, one)).toMatchObject({ wrong: [], duplicates: 0, lostRuns: 0 });
    },
    3 * minutes,
  );

  test('and of all of it the invariants hold', async () => {
    expect(await endRuntime(stage, true)).toEqual([]);
  });
});

describe('the operator', () => {
  const taken = [
    'operator.apply.before/Escalation then operator.apply.written/Escalation kill personAnswers',
    'operator.engine.before/decide then operator.engine.answered/decide kill personAnswers',
    'operator.finalizer.before/Agent/removed then operator.finalizer.written/Agent/removed kill agentComesAndGoes',
    'operator.finalizer.before/WorkflowRun/removed apiserver runIsDeleted',
  ];
  let stage: PlaneStage;
  beforeAll(async () => {
    stage = await PlaneStage.start();
  });
  afterAll(() => stage?.stop());

  test.each(taken)(
    '%s',
    async (name) => {
      const one = planeCases.find((each) => planeNameOf(each) === name);
      if (one === undefined) throw new Error('there is no such case');
      expect((await sweepPlane(stage, one)).wrong).toEqual([]);
    },
    3 * minutes,
  );
});
