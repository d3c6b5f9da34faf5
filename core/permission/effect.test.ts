import { describe, expect, it } from 'vitest';
import type { Effect, ToolSpec } from '../../api/v1alpha1/tool.ts';
import { effectTriesMax, planEffect, planRecovery, readFinding } from './effect.ts';

const open = { state: 'open' as const, deadline: 1_000 };

describe('what the ledger entry says', () => {
  it.each([
    ['no entry: open one', undefined, 0, false, 'Open'],
    ['the tool said no before: open again', { state: 'refused' as const, error: 'no' }, 0, false, 'Open'],
    ['done: the stored result', { state: 'done' as const, result: 1 }, 0, false, 'Return'],
    ['ambiguous stays ambiguous', { state: 'ambiguous' as const, reason: 'x' }, 9e9, false, 'Ambiguous'],
    ['open by another, before its deadline: wait', open, 999, false, 'Wait'],
    ['open by another, within the clock skew: wait', open, 1_400, false, 'Wait'],
    ['open by another, after deadline and skew: recover', open, 1_500, false, 'Recover'],
    ['opened here, and no answer came: recover at once', open, 10, true, 'Recover'],
  ])('%s', (_words, entry, now, mine, kind) => {
    expect(planEffect(entry, now, { mine, acted: false }).kind).toBe(kind);
  });

  it.each([
    ['gone', undefined, 'Lost'],
    ['older than the call', { state: 'refused' as const, error: 'no' }, 'Lost'],
    ['there', { state: 'done' as const, result: 1 }, 'Return'],
  ])('E3: the journal has the effect, and the entry is %s', (_words, entry, kind) => {
    expect(planEffect(entry, 0, { mine: false, acted: true }).kind).toBe(kind);
  });
});

describe('how an unknown outcome is resolved', () => {
  const spec = (effect: Effect, query = false): ToolSpec => ({
    description: 'x',
    input: {},
    effect,
    ...(query ? { onAmbiguous: { query: { tool: 'find', by: 'idempotencyKey' as const } } } : {}),
  });
  it.each([
    ['a tool that recognises repeats is called again', spec('idempotentWrite'), 1, 'Repeat'],
    ['… but not for ever', spec('idempotentWrite'), effectTriesMax, 'GiveUp'],
    ['a write without a query is given to a person', spec('write'), 1, 'GiveUp'],
    ['… also after a crash', spec('irreversible'), 0, 'GiveUp'],
    ['a write with a query asks', spec('write', true), 1, 'Ask'],
    ['… but not for ever', spec('write', true), effectTriesMax, 'GiveUp'],
  ])('%s', (_words, tool, tries, kind) => {
    expect(planRecovery(tool, tries, 'reset').kind).toBe(kind);
  });

  it.each([
    ['404', { kind: 'No' as const, status: 404 }, 'notFound'],
    ['410', { kind: 'No' as const, status: 410 }, 'notFound'],
    ['401 is no answer', { kind: 'No' as const, status: 401 }, 'unknown'],
    ['422 is no answer', { kind: 'No' as const, status: 422 }, 'unknown'],
    ['no answer at all', { kind: 'No' as const }, 'unknown'],
    ['null', { kind: 'Done' as const, result: null }, 'notFound'],
    ['an empty list in a wrapper', { kind: 'Done' as const, result: { appointments: [] } }, 'notFound'],
    ['found: false', { kind: 'Done' as const, result: { found: false, note: 'none' } }, 'notFound'],
    ['an object', { kind: 'Done' as const, result: { id: 'a1' } }, 'found'],
    ['zero is a value', { kind: 'Done' as const, result: { balance: 0 } }, 'found'],
  ])('query answer %s', (_words, reply, finding) => {
    expect(readFinding(reply)).toBe(finding);
  });
});
