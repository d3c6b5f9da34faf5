import { expect, test, vi } from 'vitest';
import type { ChildReport, ChildRequest, EngineReply } from '../../api/messages/asks.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { type ChildCommand, Children } from './children.ts';

const command = (child: string, want: ChildRequest['want'] = 'Running'): ChildCommand => ({
  kind: want === 'Running' ? 'StartChild' : 'CancelChild',
  id: `P/child/${child}`,
  run: child,
  request: {
    want,
    by: 'run P',
    reason: 'r',
    start: { run: child, namespace: 'ns', workflow: 'w', input: {}, requestedBy: 'ann', source: 'parent' },
  },
});
const open: EngineReply<ChildReport> = { ok: true, result: { kind: 'Open' } };
const closed: EngineReply<ChildReport> = {
  ok: true,
  result: {
    kind: 'Closed',
    outcome: 'success',
    message: 'm',
    costMicros: 0,
    effects: 0,
    result: {},
    owed: [],
    workflowDigest: 'd',
  },
};

async function stage(
  answer: (child: string, request: ChildRequest) => Promise<EngineReply<ChildReport>>,
  act: (given: {
    readonly children: Children;
    readonly want: (commands: readonly ChildCommand[]) => void;
    readonly asked: readonly string[];
    readonly told: readonly string[];
  }) => Promise<void>,
): Promise<void> {
  vi.useFakeTimers({ now: 1_000_000 });
  const asked: string[] = [];
  const told: string[] = [];
  let wanted: readonly ChildCommand[] = [];
  const want = (commands: readonly ChildCommand[]): void => {
    wanted = commands;
    children.want('P', commands);
  };
  const children = new Children({
    now: () => Date.now(),
    wanted: () => wanted,
    ask: (child, request) => {
      asked.push(`${child} ${request.want} ${Date.now() - 1_000_000}`);
      return answer(child, request);
    },
    closed: async (parent, { child, report }) => {
      told.push(`${parent} ${child} ${report.kind === 'Closed' ? report.outcome : report.kind}`);
      if (parent === 'P') want([]);
    },
    log: jsonLog({ name: 'test', level: 'silent' }),
  });
  try {
    await act({ children, want, asked, told });
  } finally {
    children.stop();
    vi.useRealTimers();
  }
}

test('L1: a child whose own word was lost is asked later and later, until it is closed; then never again', async () => {
  let reply = open;
  await stage(
    async () => reply,
    async ({ children, want, asked, told }) => {
      want([command('c')]);
      await vi.advanceTimersByTimeAsync(31_000);
      expect(asked).toEqual([0, 1, 3, 7, 15, 31].map((seconds) => `c Running ${seconds * 1_000}`));
      await vi.advanceTimersByTimeAsync(86_400_000);
      expect(asked.length).toBeLessThan(170);
      reply = closed;
      await vi.advanceTimersByTimeAsync(600_000);
      expect(told).toEqual(['P c success']);
      const before = asked.length;
      await vi.advanceTimersByTimeAsync(86_400_000);
      expect(asked).toHaveLength(before);
      expect(children.open).toBe(0);
    },
  );
});

test('L1: what is wanted anew is asked at once; the same is not', async () => {
  await stage(
    async () => open,
    async ({ want, asked }) => {
      want([command('c')]);
      await vi.advanceTimersByTimeAsync(500);
      want([command('c')]);
      await vi.advanceTimersByTimeAsync(100);
      expect(asked).toHaveLength(1);
      want([command('c', 'Cancelled')]);
      await vi.advanceTimersByTimeAsync(0);
      expect(asked).toEqual(['c Running 0', 'c Cancelled 600']);
      const { request, ...rest } = command('c', 'Cancelled');
      want([{ ...rest, request: { ...request, start: { ...request.start, readOnly: true } } }]);
      await vi.advanceTimersByTimeAsync(0);
      expect(asked).toHaveLength(3);
    },
  );
});

test('an owner that does not answer is asked again; a refusal for good is the end of the child', async () => {
  const replies: (() => Promise<EngineReply<ChildReport>>)[] = [
    () => Promise.reject(new Error('gone')),
    async () => ({ ok: false, code: 'NOT_OWNER', message: 'no' }),
    async () => ({ ok: false, code: 'NOT_FOUND', message: 'not accepted yet' }),
    async () => ({ ok: false, code: 'INVALID_INPUT', message: 'id is missing' }),
  ];
  await stage(
    () => (replies.shift() ?? (async () => closed))(),
    async ({ want, asked, told }) => {
      want([command('c')]);
      await vi.advanceTimersByTimeAsync(7_000);
      expect(asked).toHaveLength(4);
      expect(told).toEqual(['P c failed']);
    },
  );
});

test('a refusal is no end for a child that is to be cancelled: it may exist', async () => {
  await stage(
    async () => ({ ok: false, code: 'DENIED', message: 'no' }),
    async ({ want, asked, told }) => {
      want([command('c', 'Cancelled')]);
      await vi.advanceTimersByTimeAsync(3_000);
      expect(asked).toHaveLength(3);
      expect(told).toEqual([]);
    },
  );
});

test('L2: at most 64 are asked at the same time, and all of them in turn', async () => {
  const waiting: (() => void)[] = [];
  await stage(
    () => new Promise((resolve) => waiting.push(() => resolve(open))),
    async ({ want, asked }) => {
      want(Array.from({ length: 100 }, (_, n) => command(`c${n}`)));
      expect(asked).toHaveLength(64);
      for (const answer of waiting.splice(0)) answer();
      await vi.advanceTimersByTimeAsync(0);
      expect(new Set(asked.map((line) => line.split(' ')[0])).size).toBe(100);
    },
  );
});
