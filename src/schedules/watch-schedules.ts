import type { Logger } from 'pino';
import type { Database } from '../database/client.ts';
import type { Mailbox } from '../realtime/mailbox.ts';
import { everySecond, StateWatcher } from '../realtime/state-watcher.ts';
import { PageWatcher } from '../tasks/page-watcher.ts';
import { findSchedule, findSchedules } from './find-schedules.ts';
import type { Schedule } from './schedule-store.ts';

/** Hands pages of schedules to this node's subscribers. */
export class ScheduleListWatcher extends PageWatcher<Schedule> {
  constructor(database: Database, logger: Logger) {
    super('the list of schedules', (ownerId, page) => findSchedules(database, ownerId, page), logger);
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
