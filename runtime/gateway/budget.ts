// Owns: what an ask may still cost: of its run, its activity and its agent's day. The journal knows what was reported; what the
// gateway has made and nobody has reported counts, too, so that silence spends no less.
import type { AuthorizeReply } from '../../api/messages/asks.ts';
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import type { Gateway } from './ports.ts';
import { type Account, dayAccount, runAccount } from './spend.ts';

export interface Budgets {
  /** What is left of the smallest budget that applies; absent: unlimited. */
  readonly budgetLeftMicros?: number;
  /** Where the cost of a model call is to be counted. */
  readonly accounts: readonly Account[];
}

interface Asked {
  readonly activity: string;
  readonly allowed: Extract<AuthorizeReply, { kind: 'Allowed' }>;
  readonly agent: AgentSnapshot | undefined;
  readonly bundle: ResolvedBundle;
}
type Part = { readonly account: Account; readonly lefts: readonly number[] };

export async function budgetsOf(gateway: Pick<Gateway, 'spend' | 'clock'>, asked: Asked): Promise<Budgets> {
  const parts = (await Promise.all([ofRun(gateway, asked), ofDay(gateway, asked)])).filter(
    (part) => part !== undefined,
  );
  const accounts = parts.map(({ account }) => account);
  return parts.length === 0
    ? { accounts }
    : { accounts, budgetLeftMicros: Math.min(...parts.flatMap(({ lefts }) => lefts)) };
}

async function ofRun({ spend }: Pick<Gateway, 'spend'>, asked: Asked): Promise<Part | undefined> {
  const { activity: id, allowed, bundle } = asked;
  const { run, budgetLeftMicros, spentMicros = 0, turns } = allowed;
  const limit = bundle.spec.policy?.costLimitMicros;
  if (budgetLeftMicros === undefined && limit === undefined) return undefined;
  const inActivity = turns.reduce((sum, { receipt }) => sum + (receipt?.costMicros ?? 0), 0);
  const account = runAccount(run, { reportedMicros: spentMicros, activity: { id, reportedMicros: inActivity } });
  const unreported = await spend.unreported(account);
  const lefts = [
    ...(budgetLeftMicros === undefined ? [] : [budgetLeftMicros - unreported.micros]),
    ...(limit === undefined ? [] : [limit - inActivity - unreported.activityMicros]),
  ];
  return { account, lefts };
}

async function ofDay({ spend, clock }: Pick<Gateway, 'spend' | 'clock'>, { agent }: Asked): Promise<Part | undefined> {
  const perDayMicros = agent?.budget?.perDayMicros;
  if (agent === undefined || perDayMicros === undefined) return undefined;
  const account = dayAccount(agent, clock.now());
  const { micros } = await spend.unreported(account);
  return { account, lefts: [perDayMicros - micros] };
}
