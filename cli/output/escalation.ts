// Owns: how an escalation looks to the person who is asked.
import { deadlineOf, type EscalationObject, queueOf, stateOf } from '../kube/escalations.ts';
import { moment, money, until } from './quantity.ts';
import { oneLine, type Paint } from './style.ts';
import type { Column } from './table.ts';
import { wrap } from './width.ts';

export function escalationColumns(now: number): readonly Column<EscalationObject>[] {
  return [
    { title: 'ESCALATION', value: (item) => item.metadata.name },
    { title: 'QUEUE', value: queueOf, shrinkTo: 10 },
    {
      title: 'STATE',
      value: stateOf,
      tone: (item, paint) => (text) => (stateOf(item) === 'Open' ? paint('yellow', text) : text),
    },
    { title: 'SIGNAL', value: (item) => item.spec.signal, shrinkTo: 8, drop: 4 },
    { title: 'DECIDE', value: (item) => decideWords(item, now), drop: 3 },
    { title: 'RUN', value: (item) => item.spec.run, wide: true },
    { title: 'WORKFLOW', value: (item) => item.spec.workflow, wide: true },
    { title: 'AGENT', value: (item) => item.spec.agent ?? '-', wide: true },
    { title: 'BY', value: (item) => item.status?.decidedBy ?? '-', wide: true },
    { title: 'QUESTION', value: (item) => item.spec.question, shrinkTo: 12, drop: 5 },
  ];
}

function decideWords(item: EscalationObject, now: number): string {
  if (stateOf(item) !== 'Open') return item.status?.option ?? '-';
  return until(deadlineOf(item), now);
}

interface Look {
  readonly columns: number;
  readonly paint: Paint;
}

const INDENT = 14;

export function escalationText(item: EscalationObject, now: number, look: Look): string {
  const { spec } = item;
  const blank = ' '.repeat(INDENT);
  const folded = (name: string, value: string): string =>
    name.padEnd(INDENT) + wrap(oneLine(value), look.columns - INDENT).join(`\n${blank}`);
  const rows = facts(item, now).map(([name, value]) => folded(name, value));
  return [
    wrap(oneLine(spec.question), look.columns)
      .map((line) => look.paint('bold', line))
      .join('\n'),
    '',
    ...rows,
    ...(spec.evidence ?? []).map((line, index) => folded(index === 0 ? 'evidence' : '', line)),
    ...proposal(item, look),
  ].join('\n');
}

function facts(item: EscalationObject, now: number): readonly (readonly [string, string])[] {
  const { spec, status } = item;
  const deadline = deadlineOf(item);
  const answer =
    status?.option === undefined
      ? undefined
      : `${status.option} by ${status.decidedBy ?? 'somebody'}${status.decidedAt === undefined ? '' : ` at ${moment(Date.parse(status.decidedAt))}`}`;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['escalation', item.metadata.name],
    ['state', stateOf(item)],
    ['answer', answer],
    ['reason', status?.reason],
    ['queue', queueOf(item)],
    ['because of', becauseOf(item)],
    ['run', `${spec.run} of ${spec.workflow}, state ${spec.state}`],
    ['agent', spec.agent],
    ['asked for by', spec.requestedBy],
    ['cost so far', spec.costMicros === undefined ? undefined : money(spec.costMicros)],
    ['opened', moment(Date.parse(spec.openedAt))],
    ['deadline', `${moment(deadline)} (${until(deadline, now)})`],
  ];
  return rows.filter((row): row is readonly [string, string] => row[1] !== undefined && row[1] !== '');
}

function becauseOf({ spec }: EscalationObject): string {
  const rule = spec.rule === undefined ? '' : `, rule ${spec.rule}`;
  return spec.signal === 'approval' ? `approval is required${rule}` : `${spec.signal}${rule}; action ${spec.action}`;
}

/** Exactly what would be done, never cut: it is what the answer binds to. */
function proposal(item: EscalationObject, look: Look): readonly string[] {
  const { proposal: would, digest } = item.spec;
  if (would === undefined) return ['', `digest        ${digest}`];
  const lines = JSON.stringify(would.args, undefined, 2).split('\n');
  return [
    '',
    `On approval, exactly this is done: ${look.paint('bold', oneLine(would.tool))}`,
    ...lines.flatMap((line) => wrapDeep(oneLineKeepingIndent(line), look.columns - 4)).map((line) => `  ${line}`),
    `digest ${digest}`,
  ];
}

const oneLineKeepingIndent = (line: string): string => (/^ */.exec(line)?.[0] ?? '') + oneLine(line);

function wrapDeep(line: string, columns: number): string[] {
  const own = /^ */.exec(line)?.[0] ?? '';
  return wrap(line.slice(own.length), columns - own.length).map(
    (part, index) => own + (index === 0 ? '' : '  ') + part,
  );
}
