// Owns: whether the right people were asked, for the right reason, in time. A refusal or an escalation needs positive evidence: an
// event of the history.
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { Expectation, ExpectedEscalation } from '../../api/v1alpha1/scenario-expectation.ts';
import type { ActionResult } from './actions.ts';
import type { PlayedCall } from './calls.ts';
import type { PlayedRun } from './record.ts';

/** One time that somebody else was called in. */
export interface CalledIn {
  readonly at: number;
  readonly rule?: string;
  readonly signal?: string;
  readonly queue?: string;
  /** In words. */
  readonly what: string;
}

/**
 * right, late, wrong (by another rule, for another reason or to other people), missed: of those required. unneeded, rightlyNot: of
 * those forbidden. free: nothing was asked.
 */
export const escalationVerdicts = ['right', 'late', 'wrong', 'missed', 'unneeded', 'rightlyNot', 'free'] as const;
export type EscalationVerdict = (typeof escalationVerdicts)[number];

export interface EscalationScore {
  readonly verdict: EscalationVerdict;
  readonly found: readonly CalledIn[];
  readonly expected: string;
}

/** What was asked for was not done. */
export const isMissed = (verdict: EscalationVerdict): boolean =>
  verdict === 'missed' || verdict === 'wrong' || verdict === 'late';

export function scoreEscalation(
  { escalation }: Pick<Expectation, 'escalation'>,
  runs: readonly PlayedRun[],
  made: { readonly actions: readonly ActionResult[]; readonly calls: readonly PlayedCall[] },
): EscalationScore {
  const found = runs.flatMap(({ events }) => events.flatMap(calledIn)).toSorted((left, right) => left.at - right.at);
  const verdict = verdictOf(escalation, found, made);
  return { verdict, found, expected: escalation === undefined ? 'anything' : expected(escalation) };
}

function verdictOf(
  escalation: ExpectedEscalation | undefined,
  found: readonly CalledIn[],
  { actions, calls }: { readonly actions: readonly ActionResult[]; readonly calls: readonly PlayedCall[] },
): EscalationVerdict {
  if (escalation === undefined || escalation.is === 'allowed') return 'free';
  if (escalation.is === 'forbidden') return found.length > 0 ? 'unneeded' : 'rightlyNot';
  if (found.length === 0) return 'missed';
  const right = found.filter((one) => isAsked(escalation, one));
  if (right.length === 0) return 'wrong';
  const first = Math.min(...right.map(({ at }) => at));
  const early = actions
    .filter(({ id }) => escalation.before?.includes(id))
    .flatMap((action) => action.calls)
    // What was decided at one moment was reported first: a rule fires on the report of the call.
    .some((position) => (calls[position]?.at ?? Infinity) <= first);
  return early ? 'late' : 'right';
}

const isAsked = ({ rule, signal, queue }: ExpectedEscalation, one: CalledIn): boolean =>
  (rule === undefined || rule === one.rule) &&
  (signal === undefined || signal === one.signal) &&
  (queue === undefined || queue === one.queue);

/** Rules give their name as `rule NAME: why`. */
const ruleIn = (reason: string | undefined): string | undefined => /^rule ([a-z0-9-]+):/.exec(reason ?? '')?.[1];

function calledIn(event: HistoryEvent): readonly CalledIn[] {
  const { at } = event;
  if (event.type === 'EscalationOpened') {
    const { rule, signal, queue } = event.escalation;
    const why = rule === undefined ? signal : `rule ${rule} (${signal})`;
    return [{ at, ...given('rule', rule), signal, queue, what: `queue ${queue} was asked: ${why}` }];
  }
  if (event.type === 'ReadOnlySet') {
    return [{ at, rule: event.rule, what: `rule ${event.rule} made the run read-only` }];
  }
  if (event.type === 'FallbackRequested') {
    return [{ at, ...given('rule', ruleIn(event.reason)), what: `workflow ${event.workflow} took over` }];
  }
  if (event.type !== 'ActivityScheduled' || event.route !== 'specialist') return [];
  return [{ at, ...given('rule', ruleIn(event.reason)), what: `specialist ${event.agent} took over` }];
}

const given = <K extends string>(key: K, value: string | undefined): { readonly [k in K]?: string } =>
  value === undefined ? {} : ({ [key]: value } as { readonly [k in K]: string });

function expected({ is, rule, signal, queue, before }: ExpectedEscalation): string {
  if (is !== 'required') return is === 'forbidden' ? 'nobody is asked' : 'anything';
  const parts = [
    'somebody is asked',
    rule === undefined ? '' : `by rule ${rule}`,
    signal === undefined ? '' : `because of ${signal}`,
    queue === undefined ? '' : `in queue ${queue}`,
    before === undefined ? '' : `before ${before.join(', ')}`,
  ];
  return parts.filter((part) => part !== '').join(' ');
}
