// Owns: signals from outside: over NATS as `signal.<ns>.<run>.<name>`, answered after the commit.
import { z } from 'zod';
import { isSignalboxError } from '../../api/errors.ts';
import type { EngineReply } from '../../api/messages/asks.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import type { SignalRequest, SignalResult } from '../../api/messages/incoming.ts';
import { receiveSignal } from '../../core/workflow/signal.ts';
import type { Subscription } from '../../ports/bus.ts';
import type { SchemaChecks } from '../json-schema.ts';
import type { Owners } from './forward.ts';
import type { EnginePorts } from './ports.ts';
import type { Serving } from './serving.ts';

const parallelMax = 256;

export const signalName = z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,62}$/, 'must be the name of a signal');
/** `id`: as the sender names it; the same again is the same signal. */
export const signalBody = z.object({
  id: z.string().min(1).max(256),
  data: z.record(z.string(), z.unknown()).default({}),
});
const runId = z.string().regex(/^[0-9A-Za-z]{1,64}$/, 'must be the id of a run');

export function serveSignals({ work }: EnginePorts, owners: Owners): Subscription {
  return work.serve(
    'signal.*.*.*',
    async ({ subject, payload }): Promise<EngineReply<SignalResult>> => {
      const [, namespace = '', run = '', signal = ''] = subject.split('.');
      const body = z
        .object({ run: runId, signal: signalName, body: signalBody })
        .safeParse({ run, signal, body: payload });
      if (!body.success) return { ok: false, code: 'INVALID_INPUT', message: z.prettifyError(body.error) };
      const { id, data } = body.data.body;
      try {
        return await owners.ask(run, 'signal', { namespace, run, signal, id, payload: data as JsonObject, by: 'nats' });
      } catch (error) {
        if (isSignalboxError(error)) return { ok: false, code: error.code, message: error.message };
        throw error;
      }
    },
    { queue: 'engines', maxParallel: parallelMax },
  );
}

/** The run's owner takes it, by the schema of the version that the run has pinned. */
export function takeSignal(
  serving: Serving,
  request: SignalRequest,
  checks: SchemaChecks,
): Promise<EngineReply<SignalResult>> {
  return serving.act<EngineReply<SignalResult>>(request.run, (given) => {
    const { definition, state } = given;
    if (state.namespace !== request.namespace) {
      const message = `namespace ${request.namespace} has no run ${request.run}`;
      return { events: [], reply: { ok: false, code: 'NOT_FOUND', message } };
    }
    const schema = definition.workflow.spec.signals?.[request.signal]?.schema as JsonObject | undefined;
    const name = `signal/${definition.workflow.digest}/${request.signal}`;
    const checked = schema === undefined ? { ok: true as const } : checks.check(name, schema, request.payload);
    return receiveSignal(given, request, checked.ok ? undefined : checked.message);
  });
}
