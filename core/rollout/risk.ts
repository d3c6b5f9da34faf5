// Owns: what makes a new bundle high-risk: a new tool with an effect, a wider permission, an approval that is gone, a weaker
// threshold, another model, another or weaker verifier, another contract of a tool that acts.
//   R1: a bundle that can only do less than the one before is never high-risk; the same bundle never is.
//   R2: it looks at resolved content only: a Tool or Model that was edited under its old name is found, too.
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { Permission } from '../../api/v1alpha1/agent.ts';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import type { ModelSpec } from '../../api/v1alpha1/model.ts';
import type { ToolSpec } from '../../api/v1alpha1/tool.ts';
import { maxRepairsDefault, maxTurnsDefault } from '../agent/turn.ts';
import { canonicalJson } from '../canonical/canonical.ts';

/** `spec.permissions` of the Agent: what runs of the bundle before go by, and what runs of the new one will. */
export interface Ceilings {
  readonly before: readonly Permission[];
  readonly after: readonly Permission[];
}

/** Of a BundleRollout: its spec takes so many facts of so many characters. */
const factsMax = 32;
const factMax = 512;

/** A fact each, in words for the person who approves; none: the change is an ordinary one. */
export function riskOf(before: ResolvedBundle, after: ResolvedBundle, ceilings: Ceilings): readonly string[] {
  const facts = [
    ...after.spec.tools.flatMap((tool) =>
      toolRisk(tool, sideOf(tool, before, ceilings.before), sideOf(tool, after, ceilings.after)),
    ),
    ...modelRisk(before, after),
    ...verifierRisk(before, after),
    ...policyRisk(before.spec.policy ?? {}, after.spec.policy ?? {}),
  ].map((fact) => (fact.length > factMax ? `${fact.slice(0, factMax - 1)}…` : fact));
  if (facts.length <= factsMax) return facts;
  return [...facts.slice(0, factsMax - 1), `and ${facts.length - factsMax + 1} more`];
}

/** One tool as runs of one bundle have it. */
interface Side {
  readonly spec: ToolSpec | undefined;
  readonly permission: Permission | undefined;
}

function sideOf(tool: string, { spec, tools }: ResolvedBundle, ceiling: readonly Permission[]): Side {
  if (!spec.tools.includes(tool) || !Object.hasOwn(tools, tool)) return { spec: undefined, permission: undefined };
  return { spec: tools[tool]?.spec, permission: ceiling.find((permission) => permission.tool === tool) };
}

/** How far a call of a tool gets by itself, from nothing to the world. */
const reaches = [
  'nothing',
  'recommends',
  'waits for approval',
  'waits for approval when a condition holds',
  'acts',
] as const;

function reachOf({ spec, permission }: Side): number {
  if (spec === undefined || permission === undefined) return 0;
  switch (permission.mode) {
    case 'read':
      return spec.effect === 'read' ? 4 : 0;
    case 'recommendOnly':
      return 1;
    case 'approve':
      return 2;
    case 'write':
      return permission.approveWhen === undefined ? 4 : 3;
  }
}

const acts = ({ spec }: Side): boolean => spec !== undefined && spec.effect !== 'read';
const same = (left: unknown, right: unknown): boolean => canonicalJson(left ?? null) === canonicalJson(right ?? null);

function toolRisk(tool: string, before: Side, after: Side): readonly string[] {
  const reach = reachOf(after);
  // What the ceiling keeps from happening is no risk of this bundle; recommending is for people to judge.
  if (reach < 2) return [];
  if (before.spec === undefined) {
    return acts(after) ? [`tool ${tool} is new, and a call of it has an effect: ${after.spec?.effect}`] : [];
  }
  return [
    ...permissionRisk(tool, before, after),
    ...(acts(before) || acts(after) ? contractRisk(tool, before, after) : []),
  ];
}

function permissionRisk(tool: string, before: Side, after: Side): readonly string[] {
  const [had, has] = [reachOf(before), reachOf(after)];
  const words = `a call of ${tool} ${reaches[has]}; before: ${reaches[had]}`;
  if (has > had) {
    if (had >= 2) return [`an approval is removed: ${words}`];
    return acts(after) ? [`a permission is wider: ${words}`] : [];
  }
  if (has < had || has === 4) return [];
  if (has === 3 && before.permission?.approveWhen !== after.permission?.approveWhen) {
    return [`an approval has another condition: a call of ${tool} waits when ${after.permission?.approveWhen}`];
  }
  if (before.permission?.queue === after.permission?.queue) return [];
  return [`an approval is given by others: calls of ${tool} go to ${queueWords(after)}; before: ${queueWords(before)}`];
}

const queueWords = ({ permission }: Side): string =>
  permission?.queue === undefined ? 'the first queue of the policy' : `queue ${permission.queue}`;

/** Members of a contract that decide what a call does; words and limits do not. */
const contractParts = ['http', 'mcp', 'input', 'idempotency', 'onAmbiguous', 'credential'] as const;

function contractRisk(tool: string, before: Side, after: Side): readonly string[] {
  const [was, is] = [before.spec, after.spec];
  const parts = contractParts.filter((part) => !same(was?.[part], is?.[part]));
  return [
    ...(was?.effect === is?.effect ? [] : [`the effect of tool ${tool} is ${is?.effect}; before: ${was?.effect}`]),
    ...(parts.length === 0 ? [] : [`tool ${tool} has an effect, and its contract has another ${parts.join(', ')}`]),
  ];
}

/** What makes a model another one: whom it asks. Prices, limits and the key do not. */
function askedOf(spec: ModelSpec | undefined): unknown {
  const { endpoint, scripted } = spec ?? {};
  return endpoint === undefined ? { scripted } : { baseURL: endpoint.baseURL, model: endpoint.model };
}

function modelRisk(before: ResolvedBundle, after: ResolvedBundle): readonly string[] {
  const was = { ...before.spec.models, planner: plannerOf(before.spec) };
  const is = { ...after.spec.models, planner: plannerOf(after.spec) };
  return (['start', 'backup', 'planner'] as const).flatMap((role) => {
    const name = is[role];
    // Without a backup there is one model less; a planner that follows start changes with it.
    if (name === undefined || (role === 'planner' && was.planner === was.start && is.planner === is.start)) return [];
    return otherModel(`models.${role}`, [before, was[role]], [after, name]);
  });
}

/** Without a prompt for it the executor plans as it goes. */
const plannerOf = ({ models, prompts }: BundleSpec): string =>
  prompts.planner === undefined ? models.start : (models.planner ?? models.start);

type Named = readonly [bundle: ResolvedBundle, name: string | undefined];

function otherModel(field: string, [before, was]: Named, [after, is]: Named): readonly string[] {
  const [old, now] = [modelOf(before, was), modelOf(after, is)];
  if (was !== undefined && same(askedOf(old), askedOf(now))) return [];
  if (was === is) return [`Model ${is} of ${field} asks another model than before`];
  return [`${field} is ${is}; before: ${was ?? 'none'}`];
}

const modelOf = ({ models }: ResolvedBundle, name: string | undefined): ModelSpec | undefined =>
  name !== undefined && Object.hasOwn(models, name) ? models[name]?.spec : undefined;

function verifierRisk(before: ResolvedBundle, after: ResolvedBundle): readonly string[] {
  const [was, is] = [before.spec.verifier, after.spec.verifier];
  const rules = new Map((is.rules ?? []).map((rule) => [rule.name, rule.cel]));
  const prompt = [before, after].map(({ spec }) => spec.prompts.verifier?.text);
  return [
    ...(was.rules ?? []).flatMap(({ name, cel }) => {
      const now = rules.get(name);
      if (now === undefined) return [`verifier rule ${name} is removed`];
      return now === cel ? [] : [`verifier rule ${name} is another: ${now}`];
    }),
    ...(was.model !== undefined && is.model === undefined ? [`no model verifies; before: ${was.model}`] : []),
    ...(was.model !== undefined && is.model !== undefined
      ? [
          ...otherModel('verifier.model', [before, was.model], [after, is.model]),
          ...(prompt[0] === prompt[1] ? [] : ['the verifier has another prompt']),
        ]
      : []),
  ];
}

type Policy = NonNullable<BundleSpec['policy']>;

/** From what says least of a model to what says most. */
const sources = ['none', 'reported', 'logprobs'] as const;
/** What holds where the bundle says nothing. */
const defaults = { maxTurns: maxTurnsDefault, maxRepairs: maxRepairsDefault, costLimitMicros: Infinity } as const;

function policyRisk(before: Policy, after: Policy): readonly string[] {
  const [floorWas, floorIs] = [before, after].map(({ confidenceFloor }) => Number(confidenceFloor ?? 0)) as [
    number,
    number,
  ];
  const [sourceWas, sourceIs] = [before.confidenceFrom ?? 'reported', after.confidenceFrom ?? 'reported'];
  const limits = (['maxTurns', 'maxRepairs', 'costLimitMicros'] as const).flatMap((limit) => {
    const [was, is] = [before[limit] ?? defaults[limit], after[limit] ?? defaults[limit]];
    return is > was ? [`policy.${limit} is ${is === Infinity ? 'gone' : is}; before: ${was}`] : [];
  });
  return [
    ...(floorIs < floorWas
      ? [`policy.confidenceFloor is ${after.confidenceFloor ?? 'gone'}; before: ${before.confidenceFloor}`]
      : []),
    ...(sources.indexOf(sourceIs) < sources.indexOf(sourceWas)
      ? [`policy.confidenceFrom is ${sourceIs}; before: ${sourceWas}`]
      : []),
    ...limits,
  ];
}
