import DataLoader from 'dataloader';
import type { Database } from '../database/client.ts';
import { badInput } from '../errors.ts';
import { findRuns, type Run, type RunSpan } from './schedule-store.ts';

export type { Run };
export const RUN_PAGE = { initial: 20, max: 100 } as const;
/** Pages in one query. */
const MAX_BATCH = 500;

/** Reads pages of runs, those that are asked for together in one query. */
export type ScheduleRuns = DataLoader<RunSpan, Run[]>;

export const createScheduleRuns = (database: Database): ScheduleRuns =>
  new DataLoader((spans) => findRuns(database, spans), { cache: false, maxBatchSize: MAX_BATCH });

export interface RunPage {
  runs: Run[];
  hasNextPage: boolean;
}

/** The place of a run among those of its schedule. */
export const cursorOfRun = ({ dueAt }: Run): string => dueAt.toISOString();

/**
 * A page of the due times that a schedule has made tasks for, the newest first. The caller has made sure that the schedule
 * may be seen.
 *
 * @param page how many, 0 to 100, and after which cursor. Default: the newest 20
 * @throws TaskFlowError BAD_USER_INPUT for a larger page or a malformed cursor
 */
export const findScheduleRuns = async (
  scheduleRuns: ScheduleRuns,
  scheduleId: string,
  { first, after }: { first?: number | null | undefined; after?: string | null | undefined },
): Promise<RunPage> => {
  const size = first ?? RUN_PAGE.initial;
  if (size < 0 || size > RUN_PAGE.max) throw badInput('first', `first must be 0 to ${RUN_PAGE.max}.`, RUN_PAGE.max);
  // One more than asked for shows whether there are more.
  const found = await scheduleRuns.load({ scheduleId, before: after ? placeOf(after) : undefined, limit: size + 1 });
  return { runs: found.slice(0, size), hasNextPage: found.length > size };
};

const placeOf = (cursor: string): Date => {
  const place = new Date(cursor);
  if (Number.isNaN(place.getTime()) || place.toISOString() !== cursor) {
    throw badInput('after', 'after must be a cursor of this connection.');
  }
  return place;
};
