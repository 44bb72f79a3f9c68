import { plainArray } from '../database/array-literal.ts';
import type { DatabaseSession } from '../database/client.ts';

/**
 * Deletes those of these tasks that have ended, with their events, log lines and dead letters, in one statement.
 *
 * Their positions in the owners' feeds become holes, which feeds pass over. An idempotency key whose task is gone is free
 * again, and the janitor drops it with the others of its age: to find it here would take an index that every submission with
 * a key had to write.
 *
 * @param ids in order; at most some hundreds
 * @returns how many were deleted
 */
export const deleteEnded = async (session: DatabaseSession, ids: readonly string[]): Promise<number> => {
  const [low, high] = [ids[0], ids.at(-1)];
  const [row] = await session.$queryRaw<[{ count: number }]>`
    WITH doomed AS MATERIALIZED (
      SELECT id FROM tasks WHERE id = ANY(${plainArray(ids, (id) => id)}::uuid[]) AND id BETWEEN ${low}::uuid AND ${high}::uuid AND finished_at IS NOT NULL
      ORDER BY id FOR UPDATE
    ), events AS (
      DELETE FROM task_events e USING doomed d WHERE e.task_id = d.id AND e.task_id BETWEEN ${low}::uuid AND ${high}::uuid
    ), logs AS (
      DELETE FROM task_logs l USING doomed d WHERE l.task_id = d.id AND l.task_id BETWEEN ${low}::uuid AND ${high}::uuid
    ), letters AS (
      DELETE FROM dead_letters l USING doomed d WHERE l.task_id = d.id
    ), gone AS (
      DELETE FROM tasks t USING doomed d WHERE t.id = d.id AND t.id BETWEEN ${low}::uuid AND ${high}::uuid RETURNING 1
    )
    SELECT count(*)::int AS count FROM gone`;
  return row.count;
};
