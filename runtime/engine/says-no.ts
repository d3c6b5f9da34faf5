// Owns: which answers of a partition's owner rest on something that it does not know of. They are given only when nobody can have
// written it meanwhile (`Partition.assertNewest`).
import type { AuthorizeReply, ChildReport, EngineReply } from '../../api/messages/asks.ts';
import type { EngineVerb } from '../../api/messages/subjects.ts';

/** About the request, the engine or its store; nothing that is in the journal would change them. */
const notAboutRuns: ReadonlySet<string> = new Set([
  'NOT_OWNER',
  'OVERLOADED',
  'INVALID_INPUT',
  'TIMEOUT',
  'BUS_UNREACHABLE',
  'JOURNAL_FENCED',
  'JOURNAL_FULL',
  'JOURNAL_UNWRITABLE',
]);

type Result = (result: unknown) => boolean;

/** Verbs whose good answers can say that something is not there. */
const results: Readonly<Partial<Record<EngineVerb, Result>>> = {
  authorize: (result) => {
    const reply = result as AuthorizeReply;
    return reply.kind === 'Refused' || reply.approval === 'absent';
  },
  deliver: (result) => (result as { readonly taken: number }).taken === 0,
  child: (result) => (result as ChildReport).kind === 'Absent',
  // Nobody waits for the child: it would be told no more.
  'child-closed': (result) => (result as { readonly known: boolean }).known,
  list: () => true,
};

export function saysNo(verb: EngineVerb, reply: EngineReply<unknown>): boolean {
  if (!reply.ok) return !notAboutRuns.has(reply.code);
  return results[verb]?.(reply.result) ?? false;
}
