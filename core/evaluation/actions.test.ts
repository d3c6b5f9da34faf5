import { expect, test } from 'vitest';
import { effects, played, type Told } from '../../test/support/trial.ts';
import type { ExpectedAction } from '../../api/v1alpha1/scenario-expectation.ts';
import { matchActions } from './actions.ts';
import { callsOfTrial } from './calls.ts';

const matched = (actions: readonly ExpectedAction[], told: readonly Told[]) =>
  matchActions(actions, callsOfTrial([played(told)], effects));
const found = (actions: readonly ExpectedAction[], told: readonly Told[]) =>
  Object.fromEntries(matched(actions, told).map(({ id, calls }) => [id, calls]));

const charge = (amount: number): Told => ({ tool: 'charge', args: { amount } });

test('a call stands for one action, and the narrow one does not lose it to the wide one', () => {
  const actions: ExpectedAction[] = [
    { id: 'some', tool: 'charge' },
    { id: 'five', tool: 'charge', args: { amount: { equals: 5 } } },
  ];
  expect(found(actions, [charge(5), charge(7)])).toEqual({ some: [1], five: [0] });
  expect(Object.values(found(actions, [charge(5)])).flat()).toEqual([0]);
});

test('of several ways to match, one in order is taken', () => {
  const actions: ExpectedAction[] = [
    { id: 'look', tool: 'find' },
    { id: 'pay', tool: 'charge', after: ['look'] },
  ];
  const told: Told[] = [{ tool: 'charge', args: { n: 1 } }, { tool: 'find' }, { tool: 'charge', args: { n: 2 } }];
  expect(found(actions, told)).toEqual({ look: [1], pay: [2] });
  const [, early] = matched(actions, [{ tool: 'charge' }, { tool: 'find' }]);
  expect(early).toMatchObject({ calls: [0], before: ['look'] });
});

test('an action after one that is missing is out of order', () => {
  const [, pay] = matched(
    [
      { id: 'look', tool: 'find' },
      { id: 'pay', tool: 'charge', after: ['look'] },
    ],
    [{ tool: 'charge' }],
  );
  expect(pay).toMatchObject({ calls: [0], before: ['look'] });
});

test('times is exact: one call too few, one too many', () => {
  const twice: ExpectedAction[] = [{ id: 'twice', tool: 'find', times: 2 }];
  const find = { tool: 'find' };
  expect(matched(twice, [find])[0]).toMatchObject({ calls: [0], wanted: 2, tooMany: 0 });
  expect(matched(twice, [find, find, find])[0]).toMatchObject({ calls: [0, 1], tooMany: 1 });
  expect(matched([{ id: 'some', tool: 'find' }], [find, find])[0]).toMatchObject({ calls: [0], tooMany: 0 });
});

test('exact arguments with what is ignored', () => {
  const exact: ExpectedAction = { id: 'a', tool: 'charge', args: { amount: { any: true } }, exact: true };
  const told: Told[] = [{ tool: 'charge', args: { amount: 1, requestId: 'r' } }];
  expect(found([exact], told)).toEqual({ a: [] });
  expect(found([{ ...exact, ignore: ['requestId'] }], told)).toEqual({ a: [0] });
});

test('a pointer reaches into arguments', () => {
  const told: Told[] = [{ tool: 'charge', args: { lines: [{ sku: 'x' }] } }];
  expect(found([{ id: 'a', tool: 'charge', args: { '/lines/0/sku': { equals: 'x' } } }], told)).toEqual({ a: [0] });
});

test('what came nearest is told', () => {
  const pay: ExpectedAction = { id: 'pay', tool: 'charge', args: { amount: { equals: 5 } } };
  expect(matched([pay], [charge(7)])[0]?.nearest).toBe('amount is 7, expected 5');
  expect(matched([pay], [{ ...charge(5), outcome: 'denied' }])[0]?.nearest).toBe('such a call ended with denied');
  expect(matched([pay], [{ tool: 'find' }])[0]?.nearest).toBeUndefined();
});

test('a call that is denied is no action, unless that is what is expected', () => {
  const told: Told[] = [{ tool: 'charge', outcome: 'denied' }];
  expect(found([{ id: 'a', tool: 'charge' }], told)).toEqual({ a: [] });
  expect(found([{ id: 'a', tool: 'charge', outcome: 'denied' }], told)).toEqual({ a: [0] });
});

test('an effect that a later turn has once more is the same effect; a read is another read', () => {
  expect(found([{ id: 'a', tool: 'charge', times: 2 }], [charge(5), charge(5)])).toEqual({ a: [0] });
  expect(found([{ id: 'a', tool: 'find', times: 2 }], [{ tool: 'find' }, { tool: 'find' }])).toEqual({ a: [0, 1] });
});

test('sixty-four alike actions are matched within the bound', () => {
  const actions = Array.from({ length: 64 }, (_, index): ExpectedAction => ({ id: `a${index}`, tool: 'find' }));
  const told = Array.from({ length: 63 }, (): Told => ({ tool: 'find' }));
  expect(matched(actions, told).filter(({ calls }) => calls.length === 1)).toHaveLength(63);
});
