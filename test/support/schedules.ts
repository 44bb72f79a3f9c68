import { v7 as uuidv7 } from 'uuid';
import type { Schedule } from '../../src/schedules/schedule-store.ts';
import type { TestApp } from './setup.ts';

/** A user, who can have schedules and tasks. @returns their id */
export const makeOwner = async ({ database }: TestApp): Promise<string> => {
  const id = uuidv7();
  const name = `u${id}`;
  await database.user.create({ data: { id, email: `${name}@example.com`, username: name, passwordHash: '' } });
  await database.ownerFeed.create({ data: { ownerId: id } });
  return id;
};

/**
 * A schedule that is due at any time the test likes: `dueInMs` from now, by PostgreSQL's clock; null for never.
 *
 * Default: due a second ago, and then on the next New Year's Day.
 */
export const makeSchedule = async (
  { database }: TestApp,
  {
    dueInMs = -1_000,
    ...more
  }: Partial<Omit<Schedule, 'payload'>> & { ownerId: string; dueInMs?: number | null; payload?: object },
): Promise<Schedule> => {
  const [row] = await database.$queryRaw<[{ at: Date | null }]>`
    SELECT (clock_timestamp() + ${dueInMs}::float8 * interval '1 ms')::timestamptz(3) AS at`;
  const id = uuidv7();
  return database.schedule.create({
    data: {
      id,
      name: `s-${id}`,
      cron: '0 0 1 1 *',
      timeZone: 'UTC',
      missedRuns: 'SKIP',
      type: 'echo',
      queue: 'default',
      payload: { n: 1 },
      priority: 'NORMAL',
      maxAttempts: 3,
      nextRunAt: row.at,
      ...more,
    },
  });
};
