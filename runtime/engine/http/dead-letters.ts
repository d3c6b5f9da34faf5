// Owns: dead letters over HTTP: look, try again, drop.
import type { Express } from 'express';
import { z } from 'zod';
import { type DeadLetterReason, deadLetterReasons } from '../../../api/messages/dead-letter.ts';
import { lettersMax } from '../../../core/dead-letter/letter.ts';
import { decideLetter, type LetterDecision, type LetterOptions, readLetter } from '../dead-letters.ts';
import { parse, type Route, type RouteOf } from './route.ts';

const letterId = z.string().regex(/^[0-9a-f]{20}$/, 'must be the id of a dead letter');
const reasons = Object.keys(deadLetterReasons) as [DeadLetterReason, ...DeadLetterReason[]];
const limitMax = 1_000;
const query = z.object({
  reason: z.enum(reasons).optional(),
  group: letterId.optional(),
  all: z.enum(['true', 'false']).default('false'),
  limit: z.coerce.number().int().min(1).max(limitMax).default(100),
});
const decisionBody = z.object({ reason: z.string().min(1).max(2_048) });

export function serveDeadLetters(app: Express, root: string, route: RouteOf, options: LetterOptions): void {
  app.get(`${root}/deadletters`, route('list', list(options)));
  app.get(`${root}/deadletters/:letter`, route('get', show(options)));
  app.post(`${root}/deadletters/:letter/retry`, route('update', decide(options, 'retry')));
  app.post(`${root}/deadletters/:letter/drop`, route('update', decide(options, 'drop')));
}

const list =
  ({ ports }: LetterOptions): Route =>
  async ({ request, namespace }) => {
    const { reason, group, all, limit } = parse(query, request.query, 'query');
    const found = await ports.deadLetters.list({ namespace, ...(reason === undefined ? {} : { reason }) }, lettersMax);
    const items = found
      .filter((letter) => all === 'true' || letter.state === 'Open')
      .filter((letter) => group === undefined || letter.group === group)
      .slice(0, limit);
    return { status: 200, body: { items } };
  };

const show =
  (options: LetterOptions): Route =>
  async ({ request, namespace }) => {
    const id = parse(letterId, request.params['letter'], 'letter');
    return { status: 200, body: (await readLetter(options, namespace, id)).letter };
  };

const decide =
  (options: LetterOptions, what: LetterDecision['what']): Route =>
  async ({ request, namespace, user }) => {
    const id = parse(letterId, request.params['letter'], 'letter');
    const { reason } = parse(decisionBody, request.body ?? {}, 'body');
    return { status: 200, body: await decideLetter(options, { namespace, id }, { what, by: user, reason }) };
  };
