// Owns: the question a NATS server asks about each new connection, and the answer.
import type { Grant } from '../core/identity/grants.ts';
import type { Subscription } from './bus.ts';

/** What a client presented. */
export interface Credential {
  /** The account it asks for, as the user name. */
  readonly account?: string;
  readonly token: string;
  /** Name the client gives itself: for logs only. */
  readonly client: string;
}

export type Review =
  | { readonly kind: 'Granted'; readonly grant: Grant; readonly expires: number }
  | { readonly kind: 'Refused'; readonly message: string };

/** Answers for every connection that is no static user. A review that throws refuses. */
export interface AuthCallout {
  serve(review: (credential: Credential) => Promise<Review>): Promise<Subscription>;
}
