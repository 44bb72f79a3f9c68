import type { Logger } from 'pino';
import { revocationsChannel } from '../broker/keys.ts';
import type { Broker } from '../broker/lanes.ts';
import type { RealtimeRouter } from '../realtime/router.ts';
import type { Authenticator } from './authenticate.ts';
import type { OpenSessions } from './open-sessions.ts';
import { decodeRevocation, encodeRevocation, type Revocation } from './revocation.ts';

export interface RevocationParts {
  broker: Broker;
  router: Pick<RealtimeRouter, 'onRevocation'>;
  authenticator: Authenticator;
  sessions: OpenSessions;
  logger: Logger;
}

/** Tells this node and all others which credentials no longer count. */
export class Revocations {
  readonly #parts: RevocationParts;

  constructor(parts: RevocationParts) {
    this.#parts = parts;
  }

  /** Begins to hear what other nodes revoke. It may take until Redis is up, and need not be waited for. */
  async listen(): Promise<void> {
    await this.#parts.router.onRevocation((message) => {
      try {
        this.#apply(decodeRevocation(message));
      } catch (error) {
        this.#parts.logger.warn({ err: error }, 'a message about revoked credentials could not be read');
      }
    });
  }

  /**
   * To be called after the commit. Takes effect here before it returns. It is no failure when Redis is away: within a
   * second every node finds out by itself.
   */
  async announce(revocation: Revocation): Promise<void> {
    this.#apply(revocation);
    const { broker, logger } = this.#parts;
    const message = encodeRevocation(revocation);
    // On both lanes: one of them may be away, and hearing it twice does no harm.
    const sent = broker.lanes.map((lane) => lane.redis.publish(revocationsChannel(broker.prefix, lane.name), message));
    for (const result of await Promise.allSettled(sent)) {
      if (result.status === 'rejected') logger.warn({ err: result.reason }, 'could not tell others what was revoked');
    }
  }

  #apply(revocation: Revocation): void {
    this.#parts.authenticator.forget(revocation);
    this.#parts.sessions.endRevoked(revocation);
  }
}
