import { plainArray } from '../database/arrays.ts';
import { Prisma } from '../database/client.ts';
import type { Transaction } from './operation-store.ts';

/**
 * Of rows of `tasks`: those that have ended, but for those whose results a waiting task is still to be told. (A scalar
 * subquery, because the planner may turn EXISTS into a join that reads all tasks.)
 */
export const IS_DELETABLE = Prisma.sql`finished_at IS NOT NULL AND CASE WHEN has_dependents THEN
  (SELECT true FROM task_dependencies d JOIN tasks c ON c.id = d.child_id WHERE d.parent_id = tasks.id AND c.status = 'WAITING' LIMIT 1) IS NULL
  ELSE true END`;

/**
 * Deletes those of these tasks that can be, with their events, log lines, dead letters and places in flows.
 *
 * Their positions in the owners' feeds become holes, which feeds pass over. An idempotency key whose task is gone is free
 * again, and the janitor drops it with the others of its age: to find it here would take an index that every submission with
 * a key had to write.
 *
 * The rows are locked in a statement of their own (docs/decisions/row-locks-apart.md).
 *
 * @param ids in order; at most some hundreds
 * @returns how many were deleted
 */
export const deleteEnded = async (transaction: Transaction, ids: readonly string[]): Promise<number> => {
  const locked = await transaction.$queryRaw<{ id: string }[]>`
    SELECT id FROM tasks WHERE id = ANY(${plainArray(ids, (id) => id)}::uuid[]) AND id BETWEEN ${ids[0]}::uuid AND ${ids.at(-1)}::uuid AND ${IS_DELETABLE}
    ORDER BY id FOR UPDATE`;
  if (locked.length === 0) return 0;
  const [low, high] = [locked[0]?.id, locked.at(-1)?.id];
  const [row] = await transaction.$queryRaw<[{ count: number }]>`
    WITH doomed AS (
      SELECT id FROM unnest(${plainArray(locked, ({ id }) => id)}::uuid[]) AS id
    ), events AS (
      DELETE FROM task_events e USING doomed d WHERE e.task_id = d.id AND e.task_id BETWEEN ${low}::uuid AND ${high}::uuid
    ), logs AS (
      DELETE FROM task_logs l USING doomed d WHERE l.task_id = d.id AND l.task_id BETWEEN ${low}::uuid AND ${high}::uuid
    ), dependencies AS (
      DELETE FROM task_dependencies c USING doomed d WHERE c.child_id = d.id AND c.child_id BETWEEN ${low}::uuid AND ${high}::uuid
    ), pending AS (
      DELETE FROM pending_dependencies p USING doomed d WHERE p.child_id = d.id
    ), places AS (
      DELETE FROM flow_tasks f USING doomed d WHERE f.task_id = d.id AND f.task_id BETWEEN ${low}::uuid AND ${high}::uuid
    ), letters AS (
      DELETE FROM dead_letters l USING doomed d WHERE l.task_id = d.id
    ), gone AS (
      DELETE FROM tasks t USING doomed d WHERE t.id = d.id AND t.id BETWEEN ${low}::uuid AND ${high}::uuid RETURNING 1
    )
    SELECT count(*)::int AS count FROM gone`;
  return row.count;
};
