import { v7 as uuidv7 } from 'uuid';
import type { TaskStatus } from '../../src/tasks/task-state.ts';
import type { TestApp } from './setup.ts';

export interface Wanted {
  ownerId: string;
  count: number;
  status: TaskStatus;
  queue?: string;
  type?: string;
  tags?: readonly string[];
}

/**
 * Many ended tasks of an owner with a feed, as a recorder would leave them: two events each, and a dead letter for a FAILED
 * one. @returns their ids, in order
 */
export const makeEndedTasks = async ({ database }: TestApp, wanted: Wanted): Promise<string[]> => {
  const { ownerId, count, status, queue = 'default', type = 'echo', tags = [] } = wanted;
  const ids = Array.from({ length: count }, () => uuidv7());
  await database.$executeRaw`
    WITH ids AS MATERIALIZED (
      SELECT id, n FROM unnest(${ids}::uuid[]) WITH ORDINALITY AS i(id, n)
    ), feed AS (
      UPDATE owner_feeds SET position = position + ${2 * count} WHERE owner_id = ${ownerId}::uuid RETURNING position - ${2 * count} AS base
    ), made AS (
      INSERT INTO tasks (id, owner_id, type, queue, payload, priority, status, seq, max_attempts, tags, finished_at)
      SELECT id, ${ownerId}::uuid, ${type}, ${queue}, 'null', 'NORMAL', ${status}::task_status, 2, 3, ${[...tags]}::text[], now() FROM ids
    ), events AS (
      INSERT INTO task_events (task_id, seq, owner_id, position, status, at, attempt)
      SELECT id, seq, ${ownerId}::uuid, base + 2 * (n - 1) + seq, CASE WHEN seq = 1 THEN 'QUEUED' ELSE ${status} END::task_status, now(), 0
      FROM ids, feed, generate_series(1, 2) AS seq
    ), logs AS (
      INSERT INTO task_logs (task_id, claimed_at_seq, number, attempt, at, record) SELECT id, 1, 1, 1, now(), '{}' FROM ids
    )
    INSERT INTO dead_letters (task_id, owner_id) SELECT id, ${ownerId}::uuid FROM ids WHERE ${status} = 'FAILED'`;
  return ids;
};
