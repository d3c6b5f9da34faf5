// Effects over a ledger in memory, with another gateway that writes in between: what the simulator once found, one by one.
import { expect, test } from 'vitest';
import type { LedgerEntry } from '../../ports/journal.ts';
import type { ToolReply } from '../../ports/agent.ts';
import type { Admitted } from './admission.ts';
import { callEffect, type EffectCall } from './effect.ts';
import type { Gateway } from './ports.ts';

class Stage {
  readonly entries: LedgerEntry[] = [];
  now = 1_000;
  calls = 0;
  /** The journal has the effect. */
  acted = false;
  /** Places that were asked for, and those under whose limit there is none. */
  readonly entered: string[] = [];
  readonly full = new Set<string>();
  /** The tool can be asked whether it acted. */
  queried = false;
  /** Before each write of this gateway. */
  meanwhile: (entry: LedgerEntry) => void = () => undefined;

  async call(effect: 'idempotentWrite' | 'write', replies: readonly ToolReply[], denied?: string) {
    const asked = this.queried ? { onAmbiguous: { query: { tool: 'status', by: 'arguments' } } } : {};
    const limits = { timeout: '2s' };
    const spec = { effect, description: 'x', input: {}, limits, ...asked } as unknown as EffectCall['spec'];
    const gateway = {
      settings: { namespace: 'ns', opener: 'g1', partitionOf: () => 0 },
      clock: {
        now: () => this.now,
        sleep: (ms: number) => {
          this.now += ms;
          return Promise.resolve();
        },
      },
      ids: { random: () => 'id' },
      log: { warn: () => undefined, error: () => undefined },
      limits: {
        enter: (name: string) => {
          this.entered.push(name);
          return Promise.resolve(this.full.has(name) ? undefined : () => undefined);
        },
      },
      ledger: {
        read: () =>
          Promise.resolve({
            revision: this.entries.length,
            ...(this.entries.at(-1) && { entry: this.entries.at(-1) }),
          }),
        write: (_key: unknown, entry: LedgerEntry, expected: number) => {
          this.meanwhile(entry);
          if (expected !== this.entries.length) return Promise.resolve(undefined);
          return Promise.resolve(this.entries.push(entry));
        },
      },
      tools: { call: () => Promise.resolve(replies[this.calls++] ?? replies.at(-1)) },
    } as unknown as Gateway;
    const admitted = {
      target: { run: 'r', activity: 'a.1', attempt: 1, turn: 1 },
      allowed: { deadline: 60_000, run: { id: 'r' }, input: {}, acted: this.acted },
      bundle: { tools: { status: { spec: { effect: 'read', description: 'x', input: {} } } } },
    } as unknown as Admitted;
    const call = { name: 'book', spec, args: {}, idempotencyKey: 'k', digest: 'sha256:k' };
    return callEffect(gateway, admitted, denied === undefined ? call : { ...call, denied });
  }
}

const openedByOther: LedgerEntry = {
  state: 'open',
  at: 0,
  deadline: 100,
  attempt: 1,
  digest: 'sha256:k',
  opener: 'g2/1',
};
const doneByOther: LedgerEntry = {
  state: 'done',
  at: 0,
  digest: 'sha256:k',
  result: { result: 'theirs', attempt: 1, turn: 1 },
  elapsedMs: 1,
};

test.each<readonly [string, ToolReply]>([
  ['refused', { kind: 'Refused', error: 'no' }],
  ['never begun', { kind: 'Unreached', error: 'no time was left' }],
])(
  'a repeat that is %s says nothing about the call before: a person is asked, and the ledger does not say "refused"',
  async (_how, reply) => {
    const stage = new Stage();
    stage.entries.push(openedByOther);
    expect(await stage.call('idempotentWrite', [reply])).toMatchObject({ kind: 'Ambiguous' });
    expect(stage.entries.map(({ state }) => state)).not.toContain('refused');
    expect(stage.entries.at(-1)?.state).toBe('ambiguous');
  },
);

test('a first call that is refused is refused', async () => {
  const stage = new Stage();
  expect(await stage.call('write', [{ kind: 'Refused', error: 'no' }])).toEqual({ kind: 'Error', error: 'no' });
  expect(stage.entries.at(-1)?.state).toBe('refused');
});

test('refused here, but made by another gateway meanwhile: the result that is there is the answer', async () => {
  const stage = new Stage();
  stage.meanwhile = ({ state }) => {
    if (state === 'refused') stage.entries.push(doneByOther);
  };
  expect(await stage.call('write', [{ kind: 'Refused', error: 'no' }])).toMatchObject({ kind: 'Ok', result: 'theirs' });
});

test('an answer gets into the ledger although another gateway has opened the entry anew', async () => {
  const stage = new Stage();
  let once = true;
  stage.meanwhile = ({ state }) => {
    if (state === 'done' && once) stage.entries.push(openedByOther);
    if (state === 'done') once = false;
  };
  expect(await stage.call('write', [{ kind: 'Done', result: 'mine' }])).toMatchObject({ kind: 'Ok', result: 'mine' });
  expect(stage.entries.map(({ state }) => state)).toEqual(['open', 'open', 'done']);
});

test('the same ask after a refusal is refused without a call; a later turn makes it', async () => {
  const stage = new Stage();
  const refused: LedgerEntry = { state: 'refused', at: 0, digest: 'sha256:k', error: 'no', attempt: 1, turn: 1 };
  stage.entries.push(refused);
  expect(await stage.call('write', [{ kind: 'Done', result: 'mine' }])).toEqual({ kind: 'Error', error: 'no' });
  expect(stage.calls).toBe(0);
  stage.entries.push({ ...refused, turn: 2 });
  expect(await stage.call('write', [{ kind: 'Done', result: 'mine' }])).toMatchObject({ kind: 'Ok' });
});

test('a query is made under the limit of its tool; where there is no place, nobody knows and a person looks', async () => {
  const asked = new Stage();
  asked.queried = true;
  const replies: ToolReply[] = [
    { kind: 'Unknown', error: 'reset' },
    { kind: 'Done', result: { id: 'x1' } },
  ];
  expect(await asked.call('write', replies)).toMatchObject({ kind: 'Ok', note: expect.stringContaining('confirmed') });
  expect(asked.entered).toEqual(['tool/book', 'tool/status']);
  const full = new Stage();
  full.queried = true;
  full.full.add('tool/status');
  expect(await full.call('write', replies)).toMatchObject({ kind: 'Ambiguous' });
  expect(full.calls).toBe(1);
});

test('a ledger that has lost the entry of an effect that the journal has makes no second call: a person is asked', async () => {
  const stage = new Stage();
  stage.acted = true;
  const lost = await stage.call('write', [{ kind: 'Done', result: 'again' }]);
  expect(lost).toMatchObject({ kind: 'Ambiguous', reason: expect.stringContaining('lost entries') as string });
  expect([stage.calls, stage.entries.map(({ state }) => state)]).toEqual([0, ['ambiguous']]);
});

test('denied now, but made when it was permitted: what it came to is the answer', async () => {
  const stage = new Stage();
  stage.entries.push(openedByOther, doneByOther);
  expect(await stage.call('write', [], 'read-only')).toMatchObject({ kind: 'Ok', result: 'theirs' });
  expect(stage.calls).toBe(0);
});

test('denied before it began: the ledger says so first, and a copy of the ask that was permitted makes no call', async () => {
  const stage = new Stage();
  expect(await stage.call('write', [], 'read-only')).toEqual({ kind: 'Denied', message: 'read-only' });
  expect(stage.entries.map(({ state }) => state)).toEqual(['refused']);
  expect(await stage.call('write', [{ kind: 'Done', result: 'mine' }])).toEqual({ kind: 'Error', error: 'read-only' });
  expect(await stage.call('write', [], 'read-only')).toEqual({ kind: 'Denied', message: 'read-only' });
  expect(stage.calls).toBe(0);
});

test('denied while a copy of the ask opens the entry: nobody is told no', async () => {
  const stage = new Stage();
  let once = true;
  stage.meanwhile = ({ state }) => {
    if (state === 'refused' && once) stage.entries.push(openedByOther, doneByOther);
    once = false;
  };
  expect(await stage.call('write', [], 'read-only')).toMatchObject({ kind: 'Ok', result: 'theirs' });
});

test('denied after a call that may have acted: it is settled as any other, by a repeat or by people', async () => {
  const repeated = new Stage();
  repeated.entries.push(openedByOther);
  expect(await repeated.call('idempotentWrite', [{ kind: 'Done', result: 'same' }], 'no')).toMatchObject({
    kind: 'Ok',
  });
  expect(repeated.calls).toBe(1);
  expect(repeated.entries.map(({ state }) => state)).toEqual(['open', 'open', 'done']);
  const asked = new Stage();
  asked.entries.push(openedByOther);
  expect(await asked.call('write', [], 'no')).toMatchObject({ kind: 'Ambiguous' });
  expect(asked.calls).toBe(0);
  expect(asked.entries.map(({ state }) => state)).toEqual(['open', 'ambiguous']);
});

test('it acted, but a person was asked meanwhile whether it did: nobody is told another end', async () => {
  const stage = new Stage();
  stage.meanwhile = ({ state }) => {
    const reason = 'nobody knows';
    if (state === 'done') stage.entries.push({ state: 'ambiguous', at: 0, digest: 'sha256:k', reason } as LedgerEntry);
  };
  const told = await stage.call('write', [{ kind: 'Done', result: 'mine' }]);
  expect(told).toEqual({ kind: 'Ambiguous', reason: 'nobody knows' });
  expect(stage.entries.at(-1)).toMatchObject({ state: 'ambiguous' });
});
