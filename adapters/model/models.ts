// Owns: which adapter answers for a Model: its endpoint, or its script.
import type { Model } from '../../ports/agent.ts';
import type { Clock } from '../../ports/system.ts';
import { openaiModel } from './openai.ts';
import { scriptedModel } from './scripted.ts';

export function models(clock: Clock): Model {
  const endpoint = openaiModel();
  const scripted = scriptedModel(clock);
  return {
    ask: (spec, credential, request) =>
      (spec.scripted === undefined ? endpoint : scripted).ask(spec, credential, request),
  };
}
