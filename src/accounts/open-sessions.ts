import type { Database } from '../database/client.ts';
import { type Logger, reportFailures } from '../logger.ts';
import { type CredentialStates, findCredentialStates } from './credential-store.ts';
import type { CredentialUsage } from './credential-usage.ts';
import type { Principal } from './principal.ts';
import { credentialsEnded, isRevokedBy, type Revocation } from './revocation.ts';

/** How often the credentials of everything that is open are checked, in ms: so long a lost message goes unnoticed. */
const CHECK_INTERVAL_MS = 1_000;

/** Something that is open as long as the credentials it was opened with count. */
export interface OpenSession {
  readonly principal: Principal;
  /** Called when they no longer do, at most once. */
  expire(reason: Error): void;
}

/**
 * The sockets and running subscriptions of this node, with the credentials they were opened with. They end when these run
 * out or are revoked: at once when the message comes, and within a second when it was lost.
 */
export class OpenSessions {
  readonly #database: Database;
  readonly #usage: CredentialUsage;
  readonly #reportFailure: (error: unknown) => void;
  readonly #sessions = new Set<OpenSession>();
  readonly #timer: NodeJS.Timeout;
  #isChecking = false;

  /** @param intervalMs how often PostgreSQL is asked, while something is open. Default: 1 s */
  constructor(database: Database, usage: CredentialUsage, logger: Logger, intervalMs = CHECK_INTERVAL_MS) {
    this.#database = database;
    this.#usage = usage;
    this.#reportFailure = reportFailures(logger, {
      outage: 'PostgreSQL cannot be reached; open sockets stay open, whatever has become of their credentials',
      fault: 'could not check the credentials of open sockets; will try again',
    });
    this.#timer = setInterval(() => void this.check(), intervalMs).unref();
  }

  add(session: OpenSession): void {
    this.#sessions.add(session);
  }

  /** It has ended otherwise. */
  delete(session: OpenSession): void {
    this.#sessions.delete(session);
  }

  endRevoked(revocation: Revocation): void {
    this.#endUnless(this.#sessions, ({ principal }) => !isRevokedBy(revocation, principal));
  }

  /**
   * Ends what has expired, then what PostgreSQL no longer knows; one query for all. While it is away, only the former. What
   * stays open counts as a use of its credentials.
   */
  async check(): Promise<void> {
    const now = Date.now();
    this.#endUnless(this.#sessions, ({ principal }) => principal.expiresAtMs > now);
    if (this.#isChecking || this.#sessions.size === 0) return;
    this.#isChecking = true;
    try {
      const sessions = [...this.#sessions];
      const states = await findCredentialStates(this.#database, ...idsOf(sessions));
      this.#endUnless(sessions, ({ principal }) => isStillValid(principal, states));
      for (const session of sessions) if (this.#sessions.has(session)) this.#usage.note(session.principal);
    } catch (error) {
      this.#reportFailure(error);
    } finally {
      this.#isChecking = false;
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#sessions.clear();
  }

  #endUnless(sessions: Iterable<OpenSession>, isValid: (session: OpenSession) => boolean): void {
    for (const session of [...sessions]) {
      if (isValid(session) || !this.#sessions.delete(session)) continue;
      session.expire(credentialsEnded());
    }
  }
}

/** The API keys, the users of whatever is no API key, and their logins. */
const idsOf = (
  sessions: readonly OpenSession[],
): [apiKeyIds: Set<string>, userIds: Set<string>, sessionIds: Set<string>] => {
  const apiKeyIds = new Set<string>();
  const userIds = new Set<string>();
  const sessionIds = new Set<string>();
  for (const { principal } of sessions) {
    if (principal.apiKeyId === undefined) userIds.add(principal.userId);
    else apiKeyIds.add(principal.apiKeyId);
    if (principal.sessionId !== undefined) sessionIds.add(principal.sessionId);
  }
  return [apiKeyIds, userIds, sessionIds];
};

const isStillValid = (
  { apiKeyId, userId, sessionId, tokenVersion, isAdmin }: Principal,
  { activeKeys, users, sessions }: CredentialStates,
): boolean => {
  if (apiKeyId !== undefined) return activeKeys.has(apiKeyId);
  if (sessionId !== undefined && !sessions.has(sessionId)) return false;
  const user = users.get(userId);
  return user !== undefined && user.tokenVersion === tokenVersion && (user.isAdmin || !isAdmin);
};
