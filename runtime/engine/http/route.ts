// Owns: the shape of one HTTP route: admitted first, parsed, answered.
import type { Request, RequestHandler } from 'express';
import type { z } from 'zod';
import { SignalboxError } from '../../../api/errors.ts';
import type { Verb } from './access.ts';

export type Route = (asked: {
  readonly request: Request;
  readonly namespace: string;
  readonly user: string;
}) => Promise<{ readonly status: number; readonly body: unknown }>;

/** Makes a handler that admits callers with this verb. */
export type RouteOf = (verb: Verb, action: Route) => RequestHandler;

export function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `${[what, ...issue.path].join('.')}: ${issue.message}`);
  throw new SignalboxError('INVALID_INPUT', lines.join('; '));
}
