import { plainArray, textArray } from '../database/arrays.ts';
import { type DatabaseSession, Prisma } from '../database/client.ts';
import type { Enqueueable, Move } from './enqueue-tasks.ts';
import { placesByOwner } from './task-store.ts';

interface RequeuedRow {
  id: string;
  owner_id: string;
  type: string;
  queue: string;
  priority: Enqueueable['priority'];
  payload: string;
  max_attempts: number;
  timeout_ms: number | null;
  backoff: string | null;
  seq: number;
  parents: string | null;
  traceparent: string | null;
}

/** Of rows of `tasks`: those that can be put back. Neither is a new task, nor one put back, taken by a draining queue. */
export const IS_RETRYABLE = Prisma.sql`status IN ('FAILED', 'CANCELLED') AND queue NOT IN (SELECT name FROM queues WHERE is_draining)`;

/**
 * Puts ended tasks back, as if they were new: attempts are counted anew, and result, error and cancellation are forgotten.
 * Those that have not ended FAILED or CANCELLED are passed over, and so are those of draining queues and of other owners.
 *
 * @param ownerId undefined for an admin
 * @returns the tasks that were put back, with their new seq
 */
export const resetEnded = async (
  session: DatabaseSession,
  ownerId: string | undefined,
  ids: readonly string[],
): Promise<(Enqueueable & { seq: number })[]> => {
  const owned = ownerId === undefined ? Prisma.empty : Prisma.sql`AND owner_id = ${ownerId}::uuid`;
  const sorted = ids.toSorted();
  // They tell PostgreSQL which partitions it may leave out.
  const [low, high] = [sorted[0], sorted.at(-1)];
  const rows = await session.$queryRaw<RequeuedRow[]>`
    WITH chosen AS MATERIALIZED (
      SELECT id FROM tasks WHERE id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND id BETWEEN ${low}::uuid AND ${high}::uuid ${owned} AND ${IS_RETRYABLE}
      ORDER BY id FOR UPDATE
    ), dug_up AS (
      DELETE FROM dead_letters d USING chosen c WHERE d.task_id = c.id
    )
    UPDATE tasks t SET status = 'QUEUED', seq = t.seq + 1, attempt = 0, progress = NULL, progress_detail = NULL, result = NULL, error = NULL,
      worker_id = NULL, run_at = NULL, started_at = NULL, finished_at = NULL, cancel_requested_at = NULL, cancel_reason = NULL,
      submitted_at = now()
    FROM chosen c WHERE t.id = c.id AND t.id BETWEEN ${low}::uuid AND ${high}::uuid
    RETURNING t.id, t.owner_id, t.type, t.queue, t.priority::text, t.payload::text, t.max_attempts, t.timeout_ms, t.backoff, t.seq,
      t.parent_results::text AS parents, t.traceparent`;
  return rows.map((row) => ({
    id: row.id,
    ownerId: row.owner_id,
    type: row.type,
    queue: row.queue,
    priority: row.priority,
    payload: row.payload,
    maxAttempts: row.max_attempts,
    timeoutMs: row.timeout_ms,
    backoff: row.backoff,
    runAt: null,
    status: 'QUEUED',
    seq: row.seq,
    parents: row.parents,
    traceparent: row.traceparent,
  }));
};

/** Keeps what tasks are told of their parents as these stand now, as JSON text: Redis may be lost. */
export const keepParentOutcomes = async (
  session: DatabaseSession,
  outcomes: readonly { id: string; parents: string }[],
): Promise<void> => {
  const sorted = outcomes.map(({ id }) => id).sort();
  await session.$executeRaw`
    WITH noted AS (
      UPDATE task_dependencies d SET status = p.status FROM tasks p
      WHERE d.child_id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND d.child_id BETWEEN ${sorted[0]}::uuid AND ${sorted.at(-1)}::uuid
        AND p.id = d.parent_id AND p.finished_at IS NOT NULL AND d.status IS DISTINCT FROM p.status
    )
    UPDATE tasks t SET parent_results = o.parents::json
    FROM unnest(${plainArray(outcomes, ({ id }) => id)}::uuid[], ${textArray(outcomes, ({ parents }) => parents)}::text[]) AS o(id, parents)
    WHERE t.id = o.id AND t.id BETWEEN ${sorted[0]}::uuid AND ${sorted.at(-1)}::uuid`;
};

/**
 * Writes the event of each of these moves, and the outbox rows of those that must reach the broker whatever happens.
 *
 * @returns each owner's position before, and when it was written
 * @throws division_by_zero (22012) when an owner has no feed
 */
export const appendMoves = async (
  session: DatabaseSession,
  moves: readonly Move[],
  outbox: readonly { id: string; shardId: string; taskId: string; seq: number }[],
): Promise<{ bases: Map<string, number>; at: Date }> => {
  const { places, counts } = placesByOwner(moves);
  const rows = await session.$queryRaw<{ owner_id: string; base: bigint; at: Date }[]>`
    WITH locked AS (
      SELECT f.owner_id, c.n FROM owner_feeds f
      JOIN unnest(${plainArray(counts, ([ownerId]) => ownerId)}::uuid[], ${plainArray(counts, ([, n]) => n)}::int[]) AS c(owner_id, n) USING (owner_id)
      ORDER BY f.owner_id FOR UPDATE OF f
    ), feeds AS (
      UPDATE owner_feeds f SET position = f.position + l.n FROM locked l WHERE f.owner_id = l.owner_id
      RETURNING f.owner_id, f.position - l.n AS base
    ), events AS (
      INSERT INTO task_events (task_id, seq, owner_id, position, status, at, attempt, detail)
      SELECT e.task_id, e.seq, e.owner_id, f.base + e.place, e.status, now(), 0, e.detail::json
      FROM unnest(${plainArray(moves, ({ id }) => id)}::uuid[], ${plainArray(moves, ({ seq }) => seq)}::int[],
        ${plainArray(moves, ({ ownerId }) => ownerId)}::uuid[], ${plainArray(places, (place) => place)}::int[],
        ${plainArray(moves, ({ status }) => status)}::task_status[], ${textArray(moves, ({ detail }) => detail || null)}::text[])
        AS e(task_id, seq, owner_id, place, status, detail)
      JOIN feeds f USING (owner_id)
    ), remembered AS (
      INSERT INTO outbox (id, shard_id, min_id, max_id, seq)
      SELECT o.id, o.shard_id, o.task_id, o.task_id, o.seq
      FROM unnest(${plainArray(outbox, ({ id }) => id)}::uuid[], ${plainArray(outbox, ({ shardId }) => shardId)}::text[],
        ${plainArray(outbox, ({ taskId }) => taskId)}::uuid[], ${plainArray(outbox, ({ seq }) => seq)}::int[])
        AS o(id, shard_id, task_id, seq)
    )
    SELECT feeds.owner_id, feeds.base, now()::timestamptz(3) AS at, checked.every_owner_has_a_feed
    FROM (SELECT 1 / (SELECT (count(*) = ${counts.size})::int FROM feeds) AS every_owner_has_a_feed) AS checked
    LEFT JOIN feeds ON true`;
  return {
    bases: new Map(rows.map((row) => [row.owner_id, Number(row.base)])),
    at: rows[0]?.at ?? new Date(),
  };
};
