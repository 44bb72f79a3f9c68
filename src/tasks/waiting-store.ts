import { plainArray, textArray } from '../database/arrays.ts';
import type { DatabaseSession } from '../database/client.ts';
import type { Enqueueable, Move } from './enqueue-tasks.ts';

/** A task that ended without the broker: CANCELLED while it was WAITING. */
export interface CancelledWaiting extends Move {
  hasDependents: boolean;
}

/**
 * Ends WAITING tasks, whose rows the transaction has locked, as CANCELLED, and notes those that others wait for. Their events
 * are the caller's to write. What they waited for stays pending: how it ends is still noted.
 *
 * @param tasks with why, as JSON text
 */
export const cancelRows = async (
  session: DatabaseSession,
  tasks: readonly { id: string; detail: string }[],
): Promise<CancelledWaiting[]> => {
  const sorted = tasks.map(({ id }) => id).sort();
  const details = new Map(tasks.map(({ id, detail }) => [id, detail]));
  const rows = await session.$queryRaw<Omit<CancelledWaiting, 'status' | 'runAt' | 'detail'>[]>`
    WITH cancelled AS (
      UPDATE tasks t SET status = 'CANCELLED', seq = t.seq + 1, finished_at = now(), cancel_reason = n.detail::json
      FROM unnest(${plainArray(tasks, ({ id }) => id)}::uuid[], ${textArray(tasks, ({ detail }) => detail)}::text[]) AS n(id, detail)
      WHERE t.id = n.id AND t.id >= ${sorted[0]}::uuid AND t.id <= ${sorted.at(-1)}::uuid AND t.status = 'WAITING'
      RETURNING t.id, t.owner_id, t.type, t.queue, t.seq, t.status, t.has_dependents
    ), ended AS (
      INSERT INTO ended_parents (task_id, seq, status) SELECT id, seq, status FROM cancelled WHERE has_dependents
    )
    SELECT id, owner_id AS "ownerId", type, queue, seq, has_dependents AS "hasDependents" FROM cancelled ORDER BY id`;
  return rows.map((row) => ({ ...row, status: 'CANCELLED', runAt: null, detail: details.get(row.id) ?? '' }));
};

/** Counts tasks that were cancelled now, as the recorder does. After the feeds were locked: always in this order. */
export const countCancelled = async (session: DatabaseSession, tasks: readonly { queue: string }[]): Promise<void> => {
  await session.$executeRaw`
    INSERT INTO queue_minutes AS q (queue, minute, cancelled)
    SELECT queue, date_trunc('minute', now()), count(*) FROM unnest(${textArray(tasks, ({ queue }) => queue)}::text[]) AS t(queue)
    GROUP BY queue ORDER BY queue
    ON CONFLICT (queue, minute) DO UPDATE SET cancelled = q.cancelled + excluded.cancelled`;
};

/** Of a task that is set free, in its event. */
const PARENTS_ENDED = JSON.stringify({ reason: 'PARENTS_ENDED' });

/**
 * Sets WAITING tasks free, whose rows the transaction has locked: they are QUEUED, or SCHEDULED where their `runAt` is still
 * to come.
 *
 * @param tasks with what became of their parents, as JSON text
 */
export const releaseRows = async (
  session: DatabaseSession,
  tasks: readonly { id: string; parents: string }[],
): Promise<(Enqueueable & Move)[]> => {
  const sorted = tasks.map(({ id }) => id).sort();
  const parents = new Map(tasks.map((task) => [task.id, task.parents]));
  const rows = await session.$queryRaw<
    (Omit<Enqueueable, 'parents' | 'seq' | 'status'> & Pick<Move, 'seq' | 'status'>)[]
  >`
    UPDATE tasks t SET status = (CASE WHEN t.run_at > now() THEN 'SCHEDULED' ELSE 'QUEUED' END)::task_status, seq = t.seq + 1,
      submitted_at = now(), parent_results = n.parents::json
    FROM unnest(${plainArray(tasks, ({ id }) => id)}::uuid[], ${textArray(tasks, (task) => task.parents)}::text[]) AS n(id, parents)
    WHERE t.id = n.id AND t.id >= ${sorted[0]}::uuid AND t.id <= ${sorted.at(-1)}::uuid AND t.status = 'WAITING'
    RETURNING t.id, t.owner_id AS "ownerId", t.type, t.queue, t.priority::text, t.payload::text, t.max_attempts AS "maxAttempts",
      t.timeout_ms AS "timeoutMs", t.backoff, t.traceparent, t.run_at AS "runAt", t.status::text, t.seq`;
  return rows.map((row) => ({
    ...row,
    parents: parents.get(row.id) ?? null,
    // What a SCHEDULED event says is the error of the attempt before.
    detail: row.status === 'SCHEDULED' ? '' : PARENTS_ENDED,
  }));
};
