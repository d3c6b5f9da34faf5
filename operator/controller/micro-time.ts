// Owns: the API server's two forms of time.
import type { Instant } from '../../ports/system.ts';

/** MicroTime, for Leases and Events: exactly six digits after the point, or the API server answers 400. */
export function microTime(now: Instant): string {
  return new Date(now).toISOString().replace('Z', '000Z');
}

/** Time, for everything else: whole seconds. */
export function secondTime(now: Instant): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z`;
}
