// Owns: the words between a worker and its engine and gateway.
import type {
  ClaimReply,
  ModelAskReply,
  ReportReply,
  ToolAskReply,
  VerifyAskReply,
  Work,
} from '../../api/messages/asks.ts';
import type { ChatMessage, TaskHint } from '../../api/messages/asks.ts';
import type { Failure, JsonObject, ToolCall, Turn, Verification } from '../../api/messages/history.ts';
import { askEngine, askGateway, type WorkerEngineVerb } from '../../api/messages/subjects.ts';
import { failpoint } from '../../ports/failpoint.ts';
import { type Asking, askUntilAnswered } from './persist.ts';
import type { Worker } from './ports.ts';

const engineTimeoutMs = 5_000;
/** Short, so that a gateway that died is noticed: the gateway knows an ask that comes again. */
const gatewayTimeoutMs = 2_500;
const heartbeatTimeoutMs = 2_000;

export interface Asks {
  turn(turn: Turn, proposed: boolean): Promise<ReportReply>;
  complete(done: {
    readonly result: JsonObject;
    readonly confidence?: number;
    readonly verification: Verification;
  }): Promise<ReportReply>;
  fail(failure: Failure, retryable: boolean): Promise<ReportReply>;
  heartbeat(): Promise<ReportReply>;
  model(ask: {
    readonly turn: number;
    readonly role: 'planner' | 'executor';
    readonly messages: readonly ChatMessage[];
    readonly final: boolean;
    readonly feedback?: string;
  }): Promise<ModelAskReply>;
  tool(turn: number, call: ToolCall): Promise<ToolAskReply>;
  verify(turn: number, result: JsonObject): Promise<VerifyAskReply>;
  /** What the engine handed over with its answer to the result: the slot's next work. */
  handed(): Work | undefined;
}

/** Asks the engine for the activity a task hints at. */
export function claim(
  worker: Worker,
  hint: TaskHint,
  options: { untilMs: number; signal: AbortSignal },
): Promise<ClaimReply> {
  const { bus, clock, identity } = worker;
  const { run, activity, attempt, partition } = hint;
  return asked<ClaimReply>(
    'claim',
    { bus, clock, timeoutMs: engineTimeoutMs, ...options },
    askEngine(identity, partition, 'claim'),
    { run, activity, attempt, ...standing(worker) },
  );
}

/** Who asks, how much more it could take, and whether its connection can be seen. */
const standing = ({ settings, free, presence }: Worker) => ({
  worker: settings.name,
  free: free(),
  ...(presence === undefined ? {} : { present: true }),
});

async function asked<T extends { readonly kind: string }>(
  moment: string,
  ...ask: [asking: Asking, subject: string, payload: object]
): Promise<T> {
  failpoint('worker.ask.before', moment);
  const reply = await askUntilAnswered<T>(...ask);
  failpoint('worker.ask.answered', moment);
  return reply;
}

export interface AskOptions {
  /** The activity's deadline. */
  readonly untilMs: number;
  readonly signal: AbortSignal;
  /** Whether the slot may go on with what is handed over. */
  readonly more: () => boolean;
}

export function asksOf(worker: Worker, hint: TaskHint, options: AskOptions): Asks {
  const { bus, clock, identity, settings } = worker;
  let handed: Work | undefined;
  let resultOnItsWay = false;
  const { run, activity, attempt, partition } = hint;
  const target = { run, activity, attempt };
  const report = (verb: WorkerEngineVerb, payload: object, moment: string = verb): Promise<ReportReply> =>
    asked<ReportReply>(
      moment,
      { bus, clock, timeoutMs: engineTimeoutMs, ...options },
      askEngine(identity, partition, verb),
      { ...target, worker: settings.name, ...payload },
    );
  const gateway = { bus, clock, timeoutMs: gatewayTimeoutMs, ...options };
  return {
    turn: (turn, proposed) => report('turn', { proposed, turn }, proposed ? 'propose' : 'turn'),
    async complete(done) {
      resultOnItsWay = true;
      try {
        const reply = await report('complete', {
          ...done,
          ...standing(worker),
          ...(options.more() ? { more: true } : {}),
        });
        if (reply.kind === 'Go') handed = reply.next;
        return reply;
      } finally {
        resultOnItsWay = false;
      }
    },
    handed: () => handed,
    fail: (failure, retryable) =>
      report('fail', {
        failure: { code: failure.code.slice(0, 64), message: failure.message.slice(0, 2_000) },
        retryable,
      }),
    async heartbeat() {
      const reply = await bus.ask<ReportReply>(
        askEngine(identity, partition, 'heartbeat'),
        { ...target, ...standing(worker) },
        heartbeatTimeoutMs,
      );
      // The engine may have the result already, and says that nothing is at work. What the slot does next is in the result's answer.
      return resultOnItsWay ? { kind: 'Go' } : reply;
    },
    model: ({ final, ...ask }) =>
      asked<ModelAskReply>('model', gateway, askGateway(identity, 'model'), {
        ...target,
        ...ask,
        ...(final ? { final } : {}),
      }),
    tool: (turn, call) => asked<ToolAskReply>('tool', gateway, askGateway(identity, 'tool'), { ...target, turn, call }),
    verify: (turn, result) =>
      asked<VerifyAskReply>('verify', gateway, askGateway(identity, 'verify'), { ...target, turn, result }),
  };
}
