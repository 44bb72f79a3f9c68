import { BATCH } from './expired-rows.ts';
import type { Session } from './session.ts';

/**
 * The key of a task that has not ended stays: submitting it again must not make a second one. (A scalar subquery, because the
 * planner may turn EXISTS into a join that reads all tasks.)
 */
const IS_FREE = '(SELECT t.finished_at IS NULL FROM tasks t WHERE t.id = k.task_id) IS NOT TRUE';

/**
 * Deletes the idempotency keys taken at `limit` or before whose tasks have ended or are gone.
 *
 * It goes from instant to instant instead of looking from the beginning again, so that keys which stay are passed once. A
 * batch is a thousand keys, and those of the same ms as the last.
 *
 * @returns how many
 */
export const deleteIdempotencyKeys = async (session: Session, limit: Date): Promise<number> => {
  let total = 0;
  let after = new Date(0);
  for (;;) {
    const end = await endOfPage(session, after, limit);
    if (!end) return total;
    total += await session.change(
      `DELETE FROM idempotency_keys k WHERE created_at > $1 AND created_at <= $2 AND ${IS_FREE}`,
      [after, end],
    );
    after = end;
  }
};

const endOfPage = async (session: Session, after: Date, limit: Date): Promise<Date | null | undefined> => {
  const [page] = await session.query<{ end: Date | null }>(
    `SELECT max(created_at) AS end FROM
      (SELECT created_at FROM idempotency_keys WHERE created_at > $1 AND created_at <= $2 ORDER BY created_at LIMIT $3) p`,
    [after, limit, BATCH],
  );
  return page?.end;
};

/** @returns how many `deleteIdempotencyKeys` would delete */
export const countIdempotencyKeys = async (session: Session, limit: Date): Promise<number> => {
  const [row] = await session.query<{ count: string }>(
    `SELECT count(*) FROM idempotency_keys k WHERE created_at <= $1 AND ${IS_FREE}`,
    [limit],
  );
  return Number(row?.count);
};
