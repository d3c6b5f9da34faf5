// Owns: the static checks of a Model: the host of an endpoint, the script of a scripted one.
import type { ModelSpec, ScriptedReply } from '../../api/v1alpha1/model.ts';
import { checkExpression, checkTemplates, untyped, variables } from './expressions.ts';
import { type Finding, finding } from './finding.ts';
import { checkHost } from './host.ts';

export function checkModel(_name: string, spec: ModelSpec): readonly Finding[] {
  const replies = spec.scripted?.replies ?? [];
  const { endpoint } = spec;
  const host = 'a host and port without credentials: those come from secretRef';
  return [
    ...(endpoint === undefined ? [] : checkHost('spec.endpoint.baseURL', endpoint.baseURL, host)),
    ...replies.slice(0, -1).flatMap(({ when }, index) =>
      when === undefined
        ? [
            finding('replyUnreachable', `spec.scripted.replies[${index}]`, {
              found: 'a reply without `when` before the last, so that those behind it are never given',
              allowed: '`when` on every reply but the last',
            }),
          ]
        : [],
    ),
    ...replies.flatMap((reply, index) => checkReply(`spec.scripted.replies[${index}]`, reply)),
  ];
}

const types = untyped(variables.scripted);

function checkReply(field: string, reply: ScriptedReply): readonly Finding[] {
  return [
    ...checkExpression(`${field}.when`, reply.when, { types, wanted: 'Bool' }),
    ...checkTemplates(`${field}.text`, reply.text, types),
    ...checkTemplates(`${field}.json`, reply.json, types),
    ...(reply.calls ?? []).flatMap(({ args }, index) => checkTemplates(`${field}.calls[${index}].args`, args, types)),
  ];
}
