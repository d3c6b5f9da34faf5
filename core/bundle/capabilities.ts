// Owns: whether the models of a bundle can do what it needs of them. What a Model does not declare is not checked.
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { type Finding, finding, quote } from '../admission/finding.ts';

export interface Parts {
  readonly tool: (name: string) => ToolSpec | undefined;
  readonly model: (name: string) => ModelSpec | undefined;
}

/** A model with all that is asked of it in its role. */
interface Asked {
  readonly field: string;
  readonly name: string;
  readonly prompt: string;
  readonly tools: readonly ToolSpec[];
  readonly json: boolean;
  readonly logprobs: boolean;
}

/** A token is at least a byte, and about four in most languages and models. */
const bytesPerToken = 4;

export function checkCapabilities(spec: BundleSpec, parts: Parts): readonly Finding[] {
  return asked(spec, parts).flatMap((one) => {
    const model = parts.model(one.name);
    return model?.capabilities === undefined
      ? []
      : lacking(one, model.capabilities, model.limits?.maxOutputTokens ?? 0);
  });
}

function asked({ models, prompts, verifier, tools, policy }: BundleSpec, parts: Parts): readonly Asked[] {
  const logprobs = policy?.confidenceFrom === 'logprobs';
  const contracts = tools.map(parts.tool).filter((tool) => tool !== undefined);
  const executor = { prompt: prompts.executor.text, tools: contracts, json: false, logprobs };
  const planner = { ...executor, prompt: prompts.planner?.text ?? '', tools: [] };
  const judge = { prompt: prompts.verifier?.text ?? '', tools: [], json: true, logprobs };
  return [
    { ...executor, field: 'spec.models.start', name: models.start },
    ...(models.backup === undefined ? [] : [{ ...executor, field: 'spec.models.backup', name: models.backup }]),
    ...(models.planner === undefined ? [] : [{ ...planner, field: 'spec.models.planner', name: models.planner }]),
    ...(verifier.model === undefined ? [] : [{ ...judge, field: 'spec.verifier.model', name: verifier.model }]),
  ];
}

type Capabilities = NonNullable<ModelSpec['capabilities']>;

function lacking(one: Asked, can: Capabilities, outputTokens: number): readonly Finding[] {
  const lacks = (what: string, need: string): Finding =>
    finding('modelIncapable', one.field, {
      found: `Model ${quote(one.name)} with capabilities.${what}`,
      allowed: `a Model that can: ${need}`,
    });
  const { contextTokens } = can;
  const tokens = contextTokens === undefined ? 0 : outputTokens + Math.ceil(bytesOf(one) / bytesPerToken);
  return [
    ...(can.tools === false && one.tools.length > 0 ? [lacks('tools false', 'the executor is given spec.tools')] : []),
    ...(can.jsonSchema === false && one.json ? [lacks('jsonSchema false', 'a verdict is JSON of a given schema')] : []),
    ...(can.logprobs === false && one.logprobs
      ? [lacks('logprobs false', 'spec.policy.confidenceFrom is logprobs')]
      : []),
    ...(contextTokens !== undefined && tokens > contextTokens
      ? [
          lacks(
            `contextTokens ${contextTokens}`,
            `the prompt, the contracts of the tools and limits.maxOutputTokens take about ${tokens} tokens before any work`,
          ),
        ]
      : []),
  ];
}

const bytesOf = ({ prompt, tools }: Asked): number =>
  utf8Length(prompt) +
  tools.reduce((sum, { description, input }) => sum + utf8Length(description) + utf8Length(JSON.stringify(input)), 0);

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
