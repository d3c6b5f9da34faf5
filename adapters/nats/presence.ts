// Owns: seeing whether a connection is there. The server says at once when nobody listens to a subject, and it forgets what a
// connection listened to in the moment it breaks. Nothing is answered, so the other side needs no right to reply.
import type { Presence } from '../../ports/bus.ts';
import type { NatsBus } from './bus.ts';
import { isNoResponders } from './failure.ts';

const nothing = new Uint8Array();

export function natsPresence({ connection }: NatsBus): Presence {
  return {
    show(subject) {
      const subscription = connection.subscribe(subject, { callback: () => undefined });
      return {
        stop() {
          if (!connection.isClosed()) subscription.unsubscribe();
          return Promise.resolve();
        },
      };
    },
    async absent(subject, waitMs) {
      try {
        await connection.request(subject, nothing, { timeout: waitMs });
        return false;
      } catch (error) {
        return isNoResponders(error);
      }
    },
  };
}
