// Owns: the auth callout of nats-server: requests and answers are JWTs signed with nkeys (ADR-26 of the NATS project).
// The responder is the only holder of the issuer's seed. A request that cannot be answered is refused, never let through.
import {
  type AuthorizationRequest,
  decode,
  encodeAuthorizationResponse,
  encodeUser,
  fromPublic,
  fromSeed,
  type KeyPair,
} from '@nats-io/jwt';
import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import type { Grant } from '../../core/identity/grants.ts';
import type { Subscription } from '../../ports/bus.ts';
import type { AuthCallout, Credential, Review } from '../../ports/identity.ts';
import type { Log } from '../../ports/system.ts';

const calloutSubject = '$SYS.REQ.USER.AUTH';
/** A NATS user lives at most this long; it reconnects with a fresh token then. Seconds. */
const sessionSecondsMax = 3600;

export interface CalloutOptions {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Seed of the account nkey that signs (`SA…`). */
  readonly issuerSeed: string;
  readonly log: Log;
}

export function natsAuthCallout(options: CalloutOptions): AuthCallout {
  return {
    async serve(review) {
      const connection = await connect({
        servers: options.url,
        user: options.user,
        pass: options.password,
        name: 'signalbox-identity',
        maxReconnectAttempts: -1,
        reconnectTimeWait: 250,
        pingInterval: 10_000,
        ignoreAuthErrorAbort: true,
        waitOnFirstConnect: true,
      });
      return listen(connection, fromSeed(new TextEncoder().encode(options.issuerSeed)), review, options.log);
    },
  };
}

function listen(
  connection: NatsConnection,
  issuer: KeyPair,
  review: (credential: Credential) => Promise<Review>,
  log: Log,
): Subscription {
  const answer = async (message: Msg): Promise<void> => {
    const claims = decode<AuthorizationRequest>(new TextDecoder().decode(message.data));
    const request = claims.nats as AuthorizationRequest;
    const verdict = await reviewed(request, review, log);
    message.respond(await respond(request, verdict, issuer));
  };
  connection.subscribe(calloutSubject, {
    queue: 'signalbox-identity',
    callback: (error, message) => {
      if (error) return;
      answer(message).catch((cause: unknown) =>
        log.error('auth request could not be answered', { error: String(cause) }),
      );
    },
  });
  return { stop: () => connection.drain() };
}

async function reviewed(
  request: AuthorizationRequest,
  review: (credential: Credential) => Promise<Review>,
  log: Log,
): Promise<Review> {
  const { user, pass, auth_token: token, name } = request.connect_opts;
  const client = name ?? request.client_info.name ?? '';
  try {
    const verdict = await review({ token: pass || token || '', client, ...(user ? { account: user } : {}) });
    if (verdict.kind === 'Refused') log.warn('connection refused', { client, reason: verdict.message });
    return verdict;
  } catch (cause) {
    log.error('connection could not be reviewed and is refused', { client, error: String(cause) });
    return { kind: 'Refused', message: 'the identity could not be reviewed' };
  }
}

async function respond(request: AuthorizationRequest, verdict: Review, issuer: KeyPair): Promise<string> {
  const user = fromPublic(request.user_nkey);
  const server = fromPublic(request.server_id.id);
  const answer =
    verdict.kind === 'Granted'
      ? { jwt: await userJwt(user, verdict.grant, verdict.expires, issuer) }
      : { error: verdict.message };
  return encodeAuthorizationResponse(user, server, issuer, answer, {});
}

function userJwt(user: KeyPair, grant: Grant, expires: number, issuer: KeyPair): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return encodeUser(
    grant.name,
    user,
    issuer,
    { pub: { allow: [...grant.publish] }, sub: { allow: [...grant.subscribe] }, data: -1, payload: -1, subs: -1 },
    { aud: grant.account, exp: Math.min(Math.floor(expires / 1000), now + sessionSecondsMax) },
  );
}
