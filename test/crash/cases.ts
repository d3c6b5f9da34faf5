// Owns: the list of what is swept: for each moment of the runtime the scenario that passes it.
import { type Failpoint, failpoints } from '../../ports/failpoint.ts';
import { effectTools } from './content.ts';
import type { ScenarioName } from './scenarios.ts';
import type { Fault, Owner } from './stage.ts';

export interface Case {
  readonly moment: string;
  /** At the n-th time. */
  readonly at: number;
  /** Where its predecessor was killed just before. */
  readonly after?: string;
  readonly owner: Owner;
  readonly fault: Fault;
  readonly scenario: ScenarioName;
  /** The class of the effect demands a person here; anywhere else an ambiguous effect is a failure. */
  readonly mayBeAmbiguous: boolean;
  /** The run is under way before the armed process starts. */
  readonly underWay: boolean;
}

type Given = Pick<Case, 'moment' | 'scenario'> & Partial<Pick<Case, 'at' | 'underWay' | 'after'>>;

const withSubjects = (name: keyof typeof failpoints, scenarioOf: (subject: string) => ScenarioName): readonly Given[] =>
  ((failpoints[name] as Failpoint).subjects ?? []).map((subject) => ({
    moment: `${name}/${subject}`,
    scenario: scenarioOf(subject),
  }));

const byVerb: Readonly<Record<string, ScenarioName>> = {
  cancel: 'cancel',
  decide: 'approval',
  deliver: 'event',
  signal: 'signal',
  freeze: 'frozen',
  resume: 'frozen',
  readonly: 'frozen',
  child: 'fork',
  'child-closed': 'fork',
};
const ofAsk = (verb: string): ScenarioName => byVerb[verb] ?? 'wire';
const ofReport = (verb: string): ScenarioName => (verb === 'fail' ? 'fail' : 'pay-key');
/** Records of a run with an approved effect, and a few more than it has. */
const appends = [1, 2, 3, 4, 5, 6];

const engine: readonly Given[] = [
  { moment: 'engine.lease.held', scenario: 'wire', underWay: true },
  { moment: 'engine.load.folded', scenario: 'wire', underWay: true },
  { moment: 'engine.load.served', scenario: 'wire', underWay: true },
  ...withSubjects('engine.ask.received', ofAsk),
  ...withSubjects('engine.ask.decided', ofAsk),
  ...withSubjects('engine.report.received', ofReport),
  ...withSubjects('engine.report.decided', ofReport),
  ...appends.flatMap((at): Given[] => [
    { moment: 'engine.append.before', scenario: 'wire', at },
    { moment: 'engine.append.after', scenario: 'wire', at },
  ]),
  ...[1, 2, 3, 4].flatMap((at): Given[] => [
    { moment: 'engine.append.before', scenario: 'burst', at },
    { moment: 'engine.append.after', scenario: 'burst', at },
  ]),
  { moment: 'engine.append.after', scenario: 'fallback' },
  { moment: 'engine.append.after', scenario: 'cancel', at: 2 },
  { moment: 'engine.blob.written', scenario: 'large' },
  { moment: 'engine.blob.stored', scenario: 'large' },
  ...[
    'engine.archive.before',
    'engine.archive.stored',
    'engine.checkpoint.before',
    'engine.checkpoint.part',
    'engine.checkpoint.last',
    'engine.checkpoint.complete',
    'engine.purge.journal',
    'engine.purge.checkpoints',
    'engine.purge.archive',
  ].map((moment): Given => ({ moment, scenario: 'wire' })),
  ...['engine.assignment.paid', 'engine.assignment.made', 'engine.append.before', 'engine.append.after'].map(
    (moment): Given => ({ moment, scenario: 'trial' }),
  ),
  { moment: 'engine.task.before', scenario: 'pay-key' },
  { moment: 'engine.task.published', scenario: 'pay-key' },
  { moment: 'engine.timer.due', scenario: 'timer' },
  { moment: 'engine.timer.fired', scenario: 'timer' },
  { moment: 'engine.fallback.before', scenario: 'fallback' },
  { moment: 'engine.fallback.started', scenario: 'fallback' },
  ...['engine.child.before', 'engine.child.answered', 'engine.child.joined'].flatMap((moment): Given[] => [
    { moment, scenario: 'fork' },
    { moment, scenario: 'doomed', at: moment === 'engine.child.joined' ? 1 : 3 },
  ]),
  ...[1, 2, 3, 4, 5].map((at): Given => ({ moment: 'engine.append.after', scenario: 'saga', at: at + 4 })),
  { moment: 'engine.projection.before', scenario: 'approval' },
  { moment: 'engine.projection.escalation', scenario: 'approval' },
  { moment: 'engine.projection.run', scenario: 'approval' },
  ...['engine.schedule.noted', 'engine.schedule.started', 'engine.schedule.settled'].map((moment): Given => ({
    moment,
    scenario: 'schedule',
    at: 2,
  })),
  { moment: 'engine.event.received', scenario: 'event' },
  { moment: 'engine.event.taken', scenario: 'event' },
  ...['engine.letter.before', 'engine.letter.noted', 'engine.letter.retried', 'engine.letter.decided'].map(
    (moment): Given => ({ moment, scenario: 'letter' }),
  ),
];

const ofEffect = [
  'gateway.call.cleared',
  'gateway.ledger.opening',
  'gateway.ledger.opened',
  'gateway.tool.answered',
  'gateway.ledger.settled',
];
/** Between these the gateway knows what nobody else does. */
const inDoubt = ['gateway.ledger.opened', 'gateway.tool.answered'];

const gateway: readonly Given[] = [
  ...withSubjects('gateway.ask.received', () => 'pay-key'),
  ...withSubjects('gateway.ask.answered', () => 'pay-key'),
  ...ofEffect.flatMap((moment) => effectTools.map((scenario): Given => ({ moment, scenario }))),
  ...['gateway.query.before', 'gateway.query.answered', 'gateway.ledger.confirmed'].map((moment): Given => ({
    moment,
    scenario: 'pay-query',
    after: 'gateway.tool.answered',
  })),
  { moment: 'gateway.query.answered', scenario: 'pay-query', after: 'gateway.ledger.opened' },
  { moment: 'gateway.ledger.opening', scenario: 'pay-query', after: 'gateway.ledger.opened' },
  { moment: 'gateway.ledger.ambiguous', scenario: 'pay-plain', after: 'gateway.tool.answered' },
  { moment: 'gateway.ledger.ambiguous', scenario: 'wire', after: 'gateway.ledger.opened' },
  { moment: 'gateway.receipt.signed', scenario: 'pay-key' },
  { moment: 'gateway.receipt.signed', scenario: 'wire', at: 3 },
  { moment: 'gateway.model.before', scenario: 'pay-key' },
  { moment: 'gateway.model.answered', scenario: 'pay-key' },
];

const worker: readonly Given[] = [
  { moment: 'worker.task.received', scenario: 'pay-key' },
  ...withSubjects('worker.ask.before', ofReport),
  ...withSubjects('worker.ask.answered', ofReport),
  { moment: 'worker.ask.before/tool', scenario: 'wire', at: 3 },
  { moment: 'worker.ask.answered/tool', scenario: 'pay-plain', at: 2 },
  { moment: 'worker.task.acked', scenario: 'pay-key' },
];

const ownerOf = (moment: string): Owner => moment.split('.')[0] as Owner;

const killed = [...engine, ...gateway, ...worker].map((given): Case => {
  const plain = given.scenario === 'pay-plain' || given.scenario === 'wire';
  return {
    at: 1,
    underWay: false,
    ...given,
    owner: ownerOf(given.moment),
    fault: 'kill',
    mayBeAmbiguous: plain && inDoubt.includes(given.after ?? given.moment),
  };
});

/** nats-server dies at the moments around each write and each request. Who started there cannot be held. */
const natsDies = killed
  .filter(({ underWay }) => !underWay)
  .map((one): Case => ({ ...one, fault: 'nats', mayBeAmbiguous: one.mayBeAmbiguous && one.after !== undefined }));

const paused = [
  'engine.append.before',
  'engine.append.after',
  'engine.ask.received/decide',
  'engine.report.decided/turn',
].map((moment): Case => ({
  moment,
  at: moment.startsWith('engine.append') ? 3 : 1,
  owner: 'engine',
  fault: 'pause',
  scenario: 'wire',
  mayBeAmbiguous: false,
  underWay: false,
}));

export function nameOf({ moment, at, after, fault, scenario }: Case): string {
  return `${after === undefined ? '' : `${after} then `}${armingOf(moment, at)} ${fault} ${scenario}`;
}

/** As SIGNALBOX_FAILPOINT says it. */
export const armingOf = (moment: string, at: number): string => (at === 1 ? moment : `${moment}@${at}`);

export const cases: readonly Case[] = [...killed, ...natsDies, ...paused];
