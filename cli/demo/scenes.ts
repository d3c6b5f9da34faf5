// Owns: the story. Each scene is one promise of Signalbox, kept in public.
import type { HistoryEvent, ToolResult } from '../../api/messages/history.ts';
import { openEngine } from '../engine/client.ts';
import { answer, openEscalation } from './person.ts';
import { agentsOf, closed, countIs, effectsAre, outcomeIs, queueIs, type Scene } from './scene.ts';
import { DemoFailure, eventually, type Stage } from './stage.ts';

const onboardingEffects = [
  'record-lead',
  'create-line',
  'configure-receptionist',
  'activate-clinician',
  'schedule-check-in',
] as const;

export const scenes: readonly Scene[] = [
  {
    name: 'onboard',
    workflow: 'clinician-onboarding',
    input: 'onboarding',
    object: 'onboarding',
    says: 'four agents hand a practice on, until live',
    settled: closed,
    facts: [
      outcomeIs('success'),
      effectsAre(...onboardingEffects),
      {
        expected: 'four different agents',
        found: (shown) => agentsOf(shown).join(', '),
        holds: (shown) => agentsOf(shown).length === 4,
      },
    ],
  },
  {
    name: 'call',
    workflow: 'patient-call',
    input: 'call',
    object: 'call',
    says: 'a patient gets an appointment',
    settled: closed,
    facts: [outcomeIs('success'), effectsAre('book-appointment')],
  },
  {
    name: 'red-flag',
    workflow: 'patient-call',
    input: 'call-red-flag',
    says: '"chest pain": people at once, before any tool acts',
    act: async (stage, run) => {
      const { spec } = await openEscalation(stage, stage.kube, run);
      return `in the queue ${spec.queue}; no tool was called`;
    },
    settled: (run) => closed(run) || (run.status !== 'Running' && run.escalation !== undefined),
    facts: [
      queueIs('emergency'),
      effectsAre(),
      countIs('TurnProposed', 0),
      {
        expected: 'the run to wait for a person',
        found: ({ run }) => `${run.status} ${run.outcome ?? ''} in state ${run.state}`,
        holds: ({ run }) => run.status === 'Waiting' || run.status === 'Frozen' || run.outcome === 'handedOver',
      },
    ],
  },
  {
    name: 'unsure',
    workflow: 'patient-call',
    input: 'call-unsure',
    says: 'low confidence: a person at the front desk decides',
    act: async (stage, run) => {
      const reason = 'Called back: it is the vaccination.';
      await answer(stage, { who: 'front-desk', run, option: 'approve', reason });
      return 'front-desk answered: go on';
    },
    settled: closed,
    facts: [
      queueIs('reception'),
      countIs('EscalationDecided', 1),
      {
        expected: 'the run to end as the person decided',
        found: ({ run }) => `${run.outcome ?? run.status} in state ${run.state}: ${run.message}`,
        holds: ({ run }) => run.outcome === 'success' || run.outcome === 'handedOver',
      },
    ],
  },
  {
    name: 'invoice',
    workflow: 'billing',
    input: 'invoice-large',
    says: '480.00 is over the limit: one approval, used once',
    act: async (stage, run) => {
      const reason = 'The amount fits the statement.';
      const spec = await answer(stage, { who: 'billing-lead', run, option: 'approve', reason });
      return `billing-lead approved ${spec.proposal?.tool ?? 'it'}, once`;
    },
    settled: closed,
    facts: [
      outcomeIs('success'),
      queueIs('billing'),
      effectsAre('charge-account', 'send-receipt'),
      countIs('ApprovalConsumed', 1),
      {
        expected: 'the receipt, whose answer was lost, to be looked up with find-receipt and not to be sent again',
        found: ({ history }) =>
          resultsOf(history, 'send-receipt')
            .map(({ receipt }) => receipt?.note)
            .join() || 'nothing',
        holds: ({ history }) =>
          resultsOf(history, 'send-receipt').some(({ receipt }) => receipt?.note?.includes('find-receipt') === true),
      },
    ],
  },
  {
    name: 'note',
    workflow: 'visit-documentation',
    input: 'note',
    says: 'rejected by the verifier, repaired, saved',
    settled: closed,
    facts: [
      outcomeIs('success'),
      effectsAre('save-note'),
      {
        expected: 'one repair after a rejection',
        found: ({ run }) => `${run.repairs} repairs`,
        holds: ({ run }) => run.repairs === 1,
      },
    ],
  },
  {
    name: 'backup',
    workflow: 'support',
    input: 'question-backup',
    says: 'the primary route fails, the backup completes',
    settled: closed,
    facts: [
      outcomeIs('success'),
      effectsAre('unlock-user'),
      {
        expected: 'the backup agent onboarding to complete what support could not',
        found: (shown) => `agents ${agentsOf(shown).join(', ')}, route ${shown.run.route}`,
        holds: (shown) => agentsOf(shown).join() === 'support,onboarding',
      },
    ],
  },
  {
    name: 'killed',
    workflow: 'clinician-onboarding',
    input: 'onboarding-worker-killed',
    says: 'a worker dies mid-run; each effect happens once',
    act: killWorker,
    settled: closed,
    facts: [outcomeIs('success'), effectsAre(...onboardingEffects)],
  },
];

const resultsOf = (history: readonly HistoryEvent[], tool: string): readonly ToolResult[] =>
  history.flatMap((event) =>
    event.type === 'TurnCompleted' ? event.turn.results.filter((result) => result.tool === tool) : [],
  );

/** SIGKILL for the worker that has just made its first effect and has another one to make. */
async function killWorker(stage: Stage, run: string): Promise<string> {
  const agent = 'receptionist-builder';
  const expected = `the first effect of ${agent}, create-line, in the journal`;
  const worker = await eventually(stage, { expected, withinMs: 90_000, run }, async () => {
    const engine = await openEngine(stage.host, stage.engine);
    for (const event of await engine.history(run)) {
      if (event.type !== 'TurnCompleted') continue;
      const made = event.turn.results.some((result) => result.tool === 'create-line' && result.outcome === 'ok');
      if (made) return event.worker;
    }
    return undefined;
  });
  const { pods } = await stage.plane.status({ name: stage.instance });
  const pod = pods.find(({ name }) => name === worker) ?? pods.find(({ name }) => name.startsWith(`${agent}-`));
  if (pod?.pid === undefined) throw new DemoFailure(`a process of the worker ${worker}`, 'none', run);
  process.kill(pod.pid, 'SIGKILL');
  return `SIGKILL for its worker (pid ${pod.pid}) midway`;
}
