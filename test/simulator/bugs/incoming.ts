// Owns: bugs in what people and clocks do to a run: signals, freezes, read-only, delayed starts, schedules.
import type { Bug } from './bug.ts';

export const incomingBugs: readonly Bug[] = [
  {
    name: 'signal-twice',
    what: 'a signal that comes again is taken again',
    breaks: ['I10'],
    edits: [
      {
        file: 'core/workflow/signal.ts',
        find: 'if (state.signalIds.includes(id)) return',
        replace: "if (state.signalIds.includes('never')) return",
      },
    ],
  },
  {
    name: 'signal-not-kept',
    what: 'a signal that no state waits for yet is answered and forgotten',
    breaks: ['I1'],
    edits: [
      {
        file: 'core/workflow/signal.ts',
        find: "  draft.add({ type: 'SignalReceived', signal, id, payload, by });",
        replace:
          "  if (!taken) return { events: [], reply: { ok: true, result: { outcome: 'kept' } } };\n  draft.add({ type: 'SignalReceived', signal, id, payload, by });",
      },
    ],
  },
  {
    name: 'frozen-goes-on',
    what: 'workers of a frozen run go on',
    breaks: ['I5'],
    edits: [
      {
        file: 'core/workflow/current.ts',
        find: '  if (state.frozen !== undefined) return `the run is',
        replace: '  if (state.frozen?.since === 1) return `the run is',
      },
    ],
  },
  {
    name: 'frozen-is-decided',
    what: 'a question about a frozen run is answered',
    breaks: ['I5'],
    edits: [
      {
        file: 'core/workflow/decide.ts',
        find: '  if (state.frozen !== undefined) {\n    return no(',
        replace: '  if (state.frozen?.since === 1) {\n    return no(',
      },
    ],
  },
  {
    name: 'resume-forgets-time',
    what: 'the time in which a run was frozen counts for its deadlines',
    breaks: ['I5', 'I10'],
    edits: [
      {
        file: 'core/workflow/fold-pause.ts',
        find: 'return thawed(state, Math.max(0, at - state.frozen.since));',
        replace: 'return thawed(state, Math.min(0, at - at));',
      },
    ],
  },
  {
    name: 'read-only-unheard',
    what: 'a run that was made read-only makes effects',
    breaks: ['I4'],
    edits: [
      {
        file: 'core/workflow/fold-pause.ts',
        find: '({ readOnlyRule: _rule, ...state }, { readOnly }) => ({ ...state, readOnly }),',
        replace:
          '({ readOnlyRule: _rule, ...state }, { readOnly }) => ({ ...state, readOnly: readOnly && state.readOnly }),',
      },
    ],
  },
  {
    name: 'delayed-begins-at-once',
    what: 'a start for later begins now',
    breaks: ['I1'],
    edits: [
      {
        file: 'core/workflow/start.ts',
        find: '  if ((request.startAt ?? now) <= now) begin(draft);',
        replace: '  begin(draft);',
      },
    ],
  },
  {
    name: 'schedule-noted-only',
    what: 'a due time is noted and not started',
    breaks: ['I1'],
    edits: [
      {
        file: 'runtime/engine/schedules.ts',
        find: '    for (const { due, run } of pending) {',
        replace: '    for (const { due, run } of pending.slice(1)) {',
      },
    ],
  },
];
