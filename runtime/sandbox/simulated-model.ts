// Owns: what stands in for models: the script of the scenario, else the Model's own; and the faults at them. No endpoint is asked.
import { SignalboxError } from '../../api/errors.ts';
import type { ModelSpec, ScriptedReply } from '../../api/v1alpha1/model.ts';
import type { Fault } from '../../api/v1alpha1/scenario.ts';
import type { Model, ModelRequest } from '../../ports/agent.ts';
import type { NameOf } from './simulated-tools.ts';
import { type TrialWorld, worldOf, type Worlds } from './trial-world.ts';

/** A model that does not answer is waited for so long. */
const silentMs = 50;

export function simulatedModel(scripted: Model, worlds: Worlds, nameOf: NameOf<ModelSpec>): Model {
  const play = (spec: ModelSpec, replies: readonly ScriptedReply[], request: ModelRequest) => {
    const { endpoint: _endpoint, ...rest } = spec;
    return scripted.ask({ ...rest, scripted: { replies: [...replies] } }, undefined, request);
  };
  return {
    async ask(spec, _credential, request) {
      const world = worldOf(worlds, request.script['run']);
      const model = nameOf(spec);
      if (world === undefined) throw new SignalboxError('MODEL_UNAVAILABLE', 'no trial is played there');
      if (model === undefined) {
        const message = 'two Models have the same spec, and nobody knows which one is asked; make their specs differ';
        world.trouble(message);
        throw new SignalboxError('MODEL_UNAVAILABLE', message);
      }
      const replies = repliesOf(world, model, spec);
      const fault = world.meet({ model });
      const broken = fault === undefined ? undefined : brokenReply(fault);
      if (broken === undefined) return play(spec, replies, request);
      if (fault?.type === 'slow') await play(spec, [broken], request);
      else
        return play(spec, [broken], {
          ...request,
          timeoutMs: fault?.type === 'timeoutBeforeCommit' ? silentMs : request.timeoutMs,
        });
      return play(spec, replies, request);
    },
  };
}

function repliesOf(world: TrialWorld, model: string, spec: ModelSpec): readonly ScriptedReply[] {
  const replies = world.scenario.models?.find((one) => one.model === model)?.replies ?? spec.scripted?.replies;
  if (replies !== undefined) return replies;
  const message = `Model ${model} is an endpoint; the scenario needs replies for it in models`;
  world.trouble(message);
  throw new SignalboxError('MODEL_FAILED', message);
}

/** What the model says instead, or before it answers. */
function brokenReply(fault: Fault): ScriptedReply | undefined {
  const fail = (status: number, message: string): ScriptedReply => ({ fail: { status, message } });
  switch (fault.type) {
    case 'error':
      return fail(fault.status ?? 503, 'the model is out of order');
    case 'rateLimit':
      return fail(429, 'too many requests');
    case 'timeoutBeforeCommit':
      return { text: 'too late', delay: `${2 * silentMs}ms` };
    case 'malformedResult':
      return { text: '{"answer": ' };
    case 'slow':
      return { text: 'thinking', delay: fault.delay ?? '1s' };
    case 'timeoutAfterCommit':
      return undefined;
  }
}
