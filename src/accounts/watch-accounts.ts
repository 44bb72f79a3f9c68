import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import type { Mailbox } from '../realtime/mailbox.ts';
import { everySecond, StateWatcher } from '../realtime/state-watcher.ts';
import { type ApiKey, findApiKeys } from './api-key-store.ts';
import { type AuditPage, type AuditWhere, findAuditEntries } from './find-audit-entries.ts';
import { findUsers, type UserPage, type UserWhere } from './find-users.ts';
import { findSessions, type LoginSession } from './session-store.ts';

/** Hands the logins of a user, by the user's id, to this node's subscribers. Uses are noted, and logins expire, without a signal. */
export class SessionWatcher extends StateWatcher<LoginSession[]> {
  constructor(database: Database, logger: Logger) {
    super({ read: (userId) => findSessions(database, userId), ...everySecond("a user's logins", logger) });
  }
}

/** Hands the API keys of a user, by the user's id, to this node's subscribers. They too expire without a signal. */
export class ApiKeyWatcher extends StateWatcher<ApiKey[]> {
  constructor(database: Database, logger: Logger) {
    super({ read: (userId) => findApiKeys(database, userId), ...everySecond("a user's API keys", logger) });
  }
}

/** Which page of users is watched; as JSON, it is the key. */
export interface WatchedUsers {
  where: UserWhere;
  first: number | undefined;
  after: string | undefined;
}

/** Hands pages of the list of users to this node's subscribers; those who watch the same page share its reading. */
export class UserListWatcher extends StateWatcher<UserPage> {
  constructor(database: Database, logger: Logger) {
    super({
      read: (key) => {
        const { where, first, after } = JSON.parse(key) as WatchedUsers;
        return findUsers(database, where, first, after);
      },
      ...everySecond('the list of users', logger),
    });
  }

  /** @throws as `findUsers`, to begin */
  watchUsers(watched: WatchedUsers): Promise<Mailbox<UserPage>> {
    return this.watch(JSON.stringify(watched));
  }
}

/** Which page of the audit log is watched; as JSON, it is the key. */
export interface WatchedAudit {
  where: AuditWhere;
  first: number | undefined;
  /** The id of an entry. */
  after: string | undefined;
}

/** Hands pages of the audit log to this node's subscribers. */
export class AuditWatcher extends StateWatcher<AuditPage> {
  constructor(database: Database, logger: Logger) {
    super({
      read: (key) => {
        const { where, first, after } = JSON.parse(key, reviveTimes) as WatchedAudit;
        return findAuditEntries(database, where, first, after);
      },
      ...everySecond('the audit log', logger),
    });
  }

  /** @throws as `findAuditEntries`, to begin */
  watchAudit(watched: WatchedAudit): Promise<Mailbox<AuditPage>> {
    return this.watch(JSON.stringify(watched));
  }
}

const reviveTimes = (name: string, value: unknown): unknown =>
  (name === 'since' || name === 'until') && typeof value === 'string' ? new Date(value) : value;
