import { isLockBusy, whileBusy } from '../../src/database/while-busy.ts';
import { BATCH } from './expired-rows.ts';
import type { EndedStatus } from './limits.ts';
import type { Session } from './session.ts';

const FIRST_ID = '00000000-0000-0000-0000-000000000000';
/** So many tasks that changed meanwhile are copied again under the lock, at most: about 0.1 s. */
const MAX_CHANGED = 500;

/**
 * Rewrites a day without the tasks that ended with one of these statuses: what stays is copied, batch by batch, while
 * everybody works on; then the copies take the place of the day's partitions, which are dropped.
 *
 * @returns busy when others held its locks all the time, or changed too much of it meanwhile: then the next run tries again
 */
export const rewriteDay = async (
  session: Session,
  day: string,
  without: readonly EndedStatus[],
  signal: AbortSignal,
): Promise<'rewritten' | 'busy'> => {
  try {
    await whileBusy(() => session.query('SELECT taskflow_begin_rewrite($1)', [day]), signal);
    await copyWhatStays(session, day, without);
    const finish = async () =>
      session.query<{ done: boolean }>('SELECT taskflow_finish_rewrite($1, $2::task_status[], $3) AS done', [
        day,
        without,
        MAX_CHANGED,
      ]);
    const [row] = await whileBusy(finish, signal);
    if (row?.done) return 'rewritten';
  } catch (error) {
    if (!isLockBusy(error)) throw error;
  }
  await abandonRewrites(session, signal);
  return 'busy';
};

const copyWhatStays = async (session: Session, day: string, without: readonly EndedStatus[]): Promise<void> => {
  let last: string | null | undefined = FIRST_ID;
  while (last) {
    const [row]: { last: string | null }[] = await session.query(
      'SELECT taskflow_copy_next($1, $2, $3, $4::task_status[]) AS last',
      [day, last, BATCH, without],
    );
    last = row?.last;
  }
};

/** Removes what a janitor that was killed, or gave up, has left of a rewriting. */
export const abandonRewrites = async (session: Session, signal: AbortSignal): Promise<void> => {
  try {
    await whileBusy(() => session.query('SELECT taskflow_abandon_rewrites()'), signal);
  } catch (error) {
    // The next run tries again; until then, changes of that day are noted for nobody.
    if (!isLockBusy(error)) throw error;
  }
};
