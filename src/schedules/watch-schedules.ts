import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import type { Mailbox } from '../realtime/mailbox.ts';
import { everySecond, StateWatcher } from '../realtime/state-watcher.ts';
import type { Page, PageRequest } from '../tasks/page.ts';
import { findSchedule, findSchedules } from './find-schedules.ts';
import type { Schedule } from './schedule-store.ts';

/** Which schedules are watched; as JSON, it is the key. */
interface WatchedSchedules {
  /** Undefined: everybody's. */
  ownerId: string | undefined;
  page: PageRequest;
}

/** Hands pages of schedules to this node's subscribers; those who watch the same page share its reading. */
export class ScheduleListWatcher extends StateWatcher<Page<Schedule>> {
  constructor(database: Database, logger: Logger) {
    super({
      read: (key) => {
        const { ownerId, page } = JSON.parse(key) as WatchedSchedules;
        return findSchedules(database, ownerId, page);
      },
      ...everySecond('the list of schedules', logger),
    });
  }

  /**
   * @param ownerId whose; undefined for an admin: everybody's
   * @throws as `findSchedules`, to begin
   */
  watchSchedules(
    ownerId: string | undefined,
    { first, after, last, before }: PageRequest,
  ): Promise<Mailbox<Page<Schedule>>> {
    return this.watch(JSON.stringify({ ownerId, page: { first, after, last, before } } satisfies WatchedSchedules));
  }
}

/** Hands single schedules to this node's subscribers, and null once they are deleted. */
export class ScheduleWatcher extends StateWatcher<Schedule | null> {
  constructor(database: Database, logger: Logger) {
    super({
      read: (key) => {
        const [id, ownerId] = key.split(' ') as [string, string?];
        return findSchedule(database, ownerId, id);
      },
      ...everySecond('a schedule', logger),
    });
  }

  /**
   * @param ownerId whose it must be; undefined for an admin
   * @throws as `findSchedule`, to begin
   */
  watchSchedule(ownerId: string | undefined, id: string): Promise<Mailbox<Schedule | null>> {
    return this.watch(ownerId === undefined ? id : `${id} ${ownerId}`);
  }
}
