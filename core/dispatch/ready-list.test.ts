import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Priority, priorities } from '../../api/messages/priority.ts';
import { ReadyList, round, type Waiting, weights } from './ready-list.ts';

interface Task extends Waiting {
  readonly name: string;
}
const task = (priority: Priority, flow: string, number: number): Task => ({
  priority,
  flow,
  name: `${priority}/${flow}/${number}`,
});
const take = (list: ReadyList<Task>, count: number): string[] =>
  Array.from({ length: count }, () => list.take()?.name ?? 'nothing');

test('a busy workflow and a quiet one take turns', () => {
  const list = new ReadyList<Task>();
  for (let number = 0; number < 5; number += 1) list.add(task('normal', 'busy', number));
  list.add(task('normal', 'quiet', 0));
  expect(take(list, 4)).toEqual(['normal/busy/0', 'normal/quiet/0', 'normal/busy/1', 'normal/busy/2']);
});

test('of thirteen places eight are high, four normal, one low; an empty level passes its places on', () => {
  const list = new ReadyList<Task>();
  for (let number = 0; number < 40; number += 1)
    for (const priority of priorities) list.add(task(priority, 'a', number));
  const counted = (names: readonly string[]): number[] =>
    priorities.map((priority) => names.filter((name) => name.startsWith(priority)).length);
  expect(counted(take(list, 13))).toEqual([8, 4, 1]);
  expect(counted(take(list, 52))).toEqual([32, 16, 4]);
  expect(take(list, 200).filter((name) => name !== 'nothing')).toHaveLength(55);
});

test('work that had begun goes before the others of its workflow', () => {
  const list = new ReadyList<Task>();
  list.add(task('normal', 'a', 0));
  list.add(task('normal', 'a', 1), true);
  expect(take(list, 3)).toEqual(['normal/a/1', 'normal/a/0', 'nothing']);
});

const anyTask = fc.record({
  priority: fc.constantFrom(...priorities),
  flow: fc.constantFrom('a', 'b', 'c', 'd'),
});

test('nobody starves: the stated bound holds whatever is added meanwhile', () => {
  fc.assert(
    fc.property(fc.array(anyTask, { maxLength: 60 }), anyTask, fc.infiniteStream(anyTask), (before, watched, flood) => {
      const list = new ReadyList<Task>();
      let number = 0;
      const add = (kind: Waiting): Task => {
        const added = task(kind.priority, kind.flow, (number += 1));
        list.add(added);
        return added;
      };
      const own = before.filter(({ priority, flow }) => priority === watched.priority && flow === watched.flow).length;
      for (const kind of before) add(kind);
      const mine = add(watched);
      const next = flood[Symbol.iterator]();
      // Four workflows at each level, which never run dry.
      const bound = Math.ceil(((own + 1) * 4) / weights[watched.priority]) * round + round;
      for (let taken = 1; taken <= bound; taken += 1) {
        for (let added = 0; added < 3; added += 1) add(next.next().value as Waiting);
        if (list.take() === mine) return true;
      }
      return false;
    }),
    { numRuns: 300 },
  );
});

test('nothing is lost, doubled or overtaken within its workflow, however tasks leave', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('add', 'add', 'take', 'remove'), anyTask, fc.nat())), (steps) => {
      const list = new ReadyList<Task>();
      const inside: Task[] = [];
      steps.forEach(([kind, wanted, pick], number) => {
        if (kind === 'add') {
          const added = task(wanted.priority, wanted.flow, number);
          list.add(added);
          inside.push(added);
        } else if (inside.length === 0) expect(list.take()).toBeUndefined();
        else if (kind === 'remove') {
          const [gone] = inside.splice(pick % inside.length, 1);
          if (gone !== undefined) list.remove(gone);
        } else {
          const taken = list.take();
          const first = inside.find(({ priority, flow }) => priority === taken?.priority && flow === taken.flow);
          expect(taken).toBe(first);
          inside.splice(
            inside.findIndex((known) => known === taken),
            1,
          );
        }
        expect(list.size).toBe(inside.length);
      });
    }),
  );
});
