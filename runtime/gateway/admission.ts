// Owns: the first half of each ask: who asks (from the subject), what the run's engine says of it (folded state), and with
// which ceiling and bundle. Nothing the worker says about itself is used.
import { isSignalboxError, SignalboxError } from '../../api/errors.ts';
import type { AuthorizeReply, AuthorizeRequest, EngineReply } from '../../api/messages/asks.ts';
import type { AgentSnapshot, ResolvedBundle } from '../../api/messages/catalog.ts';
import { bundleToken, engineSubject, type WorkerIdentity } from '../../api/messages/subjects.ts';
import { type Budgets, budgetsOf } from './budget.ts';
import type { Gateway } from './ports.ts';

export type Allowed = Extract<AuthorizeReply, { kind: 'Allowed' }>;

export interface Target {
  readonly run: string;
  readonly activity: string;
  readonly attempt: number;
  readonly turn: number;
}

export interface Admitted extends Budgets {
  readonly worker: WorkerIdentity;
  readonly target: Target;
  readonly allowed: Allowed;
  readonly agent: AgentSnapshot | undefined;
  readonly bundle: ResolvedBundle;
}

export type Asked = Pick<AuthorizeRequest, 'kind' | 'tool' | 'digest' | 'effectful' | 'approvalNeeded'>;
export type Refused = { readonly kind: 'Refused'; readonly code: string; readonly message: string };

/** One engine may be restarting: asked again for this long. */
const engineWaitMs = 15_000;
const engineTimeoutMs = 3_000;
const pauseMs = 150;

export async function admit(
  gateway: Gateway,
  worker: WorkerIdentity,
  target: Target,
  asked: Asked,
): Promise<Admitted | Refused> {
  const answer = await authorize(gateway, worker, target, asked);
  if (answer.kind === 'Refused') return answer;
  const { namespace } = gateway.settings;
  if (answer.run.namespace !== namespace || bundleToken(answer.bundleDigest) !== worker.bundle) {
    return { kind: 'Refused', code: 'DENIED', message: 'the activity belongs to another namespace or bundle' };
  }
  const [bundle, agent] = await Promise.all([
    gateway.catalog.bundle(answer.bundleDigest),
    gateway.catalog.agent(namespace, worker.agent),
  ]);
  if (bundle.agent !== worker.agent) {
    return { kind: 'Refused', code: 'DENIED', message: `the bundle is for agent "${bundle.agent}"` };
  }
  const budgets = await budgetsOf(gateway, { activity: target.activity, allowed: answer, agent, bundle });
  return { worker, target, allowed: answer, agent, bundle, ...budgets };
}

/** Asks the owner of the run's partition. Rejects with BUS_UNREACHABLE when none answers in time. */
export async function authorize(
  gateway: Gateway,
  worker: WorkerIdentity,
  target: Target,
  asked: Asked,
): Promise<AuthorizeReply> {
  const { control, clock, settings } = gateway;
  const subject = engineSubject(settings.partitionOf(target.run), 'authorize');
  const { run, activity, attempt, turn } = target;
  const request: AuthorizeRequest = { run, activity, attempt, turn, ...worker, ...asked };
  const until = clock.now() + engineWaitMs;
  for (;;) {
    try {
      return unwrap(
        await control.request<AuthorizeReply | EngineReply<AuthorizeReply>>(subject, request, engineTimeoutMs),
      );
    } catch (error) {
      if (!isPassing(error) || clock.now() >= until) throw error;
      await clock.sleep(pauseMs);
    }
  }
}

const isPassing = (error: unknown): boolean =>
  isSignalboxError(error, 'BUS_UNREACHABLE') ||
  isSignalboxError(error, 'TIMEOUT') ||
  isSignalboxError(error, 'NOT_OWNER');

function unwrap(reply: AuthorizeReply | EngineReply<AuthorizeReply>): AuthorizeReply {
  if ('kind' in reply) return reply;
  if (reply.ok) return reply.result;
  if (reply.code === 'NOT_OWNER') throw new SignalboxError('NOT_OWNER', reply.message);
  return { kind: 'Refused', code: reply.code, message: reply.message };
}
