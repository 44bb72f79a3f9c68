import { intArray, plainArray, textArray, uuidArray } from '../database/arrays.ts';
import { type DatabaseSession, Prisma, queryDirectly } from '../database/client.ts';
import type { Task } from '../database/generated/client/client.ts';
import type { Change } from '../realtime/change.ts';
import type { NewTask } from './new-task.ts';

/** A range of ids of one batch in one shard, of which it is not yet known that Redis has them. */
export interface OutboxRow {
  id: string;
  shardId: string;
  minId: string;
  maxId: string;
}

export interface InsertedFeed {
  ownerId: string;
  /** The owner's last position before this batch. */
  base: number;
}

/** The place of each row among those of its owner, from 1, and how many each owner has. */
export const placesByOwner = (
  rows: readonly { ownerId: string }[],
): { places: number[]; counts: Map<string, number> } => {
  const counts = new Map<string, number>();
  const places = rows.map(({ ownerId }) => {
    const place = (counts.get(ownerId) ?? 0) + 1;
    counts.set(ownerId, place);
    return place;
  });
  return { places, counts };
};

/** An outbox row whose tasks Redis has, as it said in this epoch. */
export interface DoneOutboxRow {
  id: string;
  epoch: string;
}

/** Columns that are null in most rows are not sent: they cost as much as the others. */
const rareColumns = (tasks: readonly NewTask[]) => {
  if (
    !tasks.some(
      (task) =>
        task.runAt !== null ||
        task.timeoutMs !== null ||
        task.backoff !== null ||
        task.tags.length > 0 ||
        task.status !== 'QUEUED',
    )
  ) {
    return {
      arrays: Prisma.empty,
      names: Prisma.empty,
      values: Prisma.sql`'QUEUED'::task_status, NULL::timestamptz, NULL::int, '{}'::text[], NULL`,
    };
  }
  return {
    arrays: Prisma.sql`, ${plainArray(tasks, (task) => task.status)}::task_status[], ${plainArray(tasks, (task) => task.runAt?.toISOString() ?? null)}::timestamptz[],
      ${plainArray(tasks, (task) => task.timeoutMs)}::int[], ${textArray(tasks, (task) => JSON.stringify(task.tags))}::text[],
      ${plainArray(tasks, (task) => task.backoff)}::text[]`,
    names: Prisma.sql`, status, run_at, timeout_ms, tags, backoff`,
    values: Prisma.sql`status, run_at, timeout_ms, ARRAY(SELECT json_array_elements_text(tags::json)), backoff`,
  };
};

/** Only traced submissions have one. */
const traceColumn = (tasks: readonly NewTask[]) => {
  if (!tasks.some(({ traceparent }) => traceparent)) return { array: Prisma.empty, name: Prisma.empty };
  return {
    array: Prisma.sql`, ${plainArray(tasks, ({ traceparent }) => traceparent ?? null)}::text[]`,
    name: Prisma.sql`, traceparent`,
  };
};

/** Only flows write tasks that others wait for already. */
const dependentsColumn = (tasks: readonly NewTask[]) => {
  if (!tasks.some(({ hasDependents }) => hasDependents))
    return { array: Prisma.empty, name: Prisma.empty, value: Prisma.sql`false` };
  return {
    array: Prisma.sql`, ${plainArray(tasks, ({ hasDependents }) => (hasDependents ? 'true' : 'false'))}::bool[]`,
    name: Prisma.sql`, has_dependents`,
    value: Prisma.sql`has_dependents`,
  };
};

/**
 * Writes new tasks, their first events and the outbox rows of their shards in one statement.
 *
 * The feed's row is locked last, after the tasks were written: whoever else records events of this owner waits for the
 * commit only.
 *
 * @returns each owner's position before the batch, and when it was written
 * @throws division_by_zero (22012), and nothing is written, when an owner has no feed: the account is gone
 */
export const insertTasks = async (
  session: DatabaseSession,
  tasks: readonly NewTask[],
  outbox: readonly OutboxRow[],
): Promise<{ feeds: InsertedFeed[]; at: Date }> => {
  const { places, counts } = placesByOwner(tasks);
  const rare = rareColumns(tasks);
  const dependents = dependentsColumn(tasks);
  const trace = traceColumn(tasks);
  const rows = await queryDirectly<{ owner_id: string; base: bigint | string; at: Date }>(
    session,
    Prisma.sql`
    WITH input AS MATERIALIZED (
      SELECT * FROM unnest(
        ${uuidArray(tasks, (task) => task.id)}::uuid[], ${uuidArray(tasks, (task) => task.ownerId)}::uuid[], ${intArray(places, (place) => place)}::int[],
        ${textArray(tasks, (task) => task.type)}::text[], ${textArray(tasks, (task) => task.queue)}::text[],
        ${textArray(tasks, (task) => task.payload)}::text[], ${plainArray(tasks, (task) => task.priority)}::task_priority[],
        ${intArray(tasks, (task) => task.maxAttempts)}::int[] ${rare.arrays} ${dependents.array} ${trace.array})
      AS i(id, owner_id, place, type, queue, payload, priority, max_attempts ${rare.names} ${dependents.name} ${trace.name})
    ), inserted AS (
      INSERT INTO tasks (id, owner_id, type, queue, payload, priority, max_attempts, seq, status, run_at, timeout_ms, tags, backoff, has_dependents ${trace.name})
      SELECT id, owner_id, type, queue, payload::jsonb, priority, max_attempts, 1, ${rare.values}, ${dependents.value} ${trace.name} FROM input
      RETURNING status
    ), remembered AS (
      INSERT INTO outbox (id, shard_id, min_id, max_id)
      SELECT * FROM unnest(${plainArray(outbox, (row) => row.id)}::uuid[], ${textArray(outbox, (row) => row.shardId)}::text[],
        ${plainArray(outbox, (row) => row.minId)}::uuid[], ${plainArray(outbox, (row) => row.maxId)}::uuid[])
    ), locked AS (
      SELECT f.owner_id, c.n FROM owner_feeds f
      JOIN unnest(${plainArray(counts, ([ownerId]) => ownerId)}::uuid[], ${plainArray(counts, ([, n]) => n)}::int[]) AS c(owner_id, n) USING (owner_id)
      WHERE (SELECT count(*) FROM inserted) >= 0
      ORDER BY f.owner_id FOR UPDATE OF f
    ), feeds AS (
      UPDATE owner_feeds f SET position = f.position + l.n FROM locked l WHERE f.owner_id = l.owner_id
      RETURNING f.owner_id, f.position - l.n AS base
    ), events AS (
      INSERT INTO task_events (task_id, seq, owner_id, position, status, at, attempt)
      SELECT i.id, 1, i.owner_id, f.base + i.place, ${rare.names === Prisma.empty ? Prisma.sql`'QUEUED'` : Prisma.sql`i.status`}, now(), 0
      FROM input i JOIN feeds f USING (owner_id)
    )
    SELECT feeds.owner_id, feeds.base, now()::timestamptz(3) AS at, checked.every_owner_has_a_feed
    FROM (SELECT 1 / (SELECT (count(*) = ${counts.size})::int FROM feeds) AS every_owner_has_a_feed) AS checked
    LEFT JOIN feeds ON true`,
  );
  return {
    feeds: rows.map((row) => ({ ownerId: row.owner_id, base: Number(row.base) })),
    at: rows[0]?.at ?? new Date(),
  };
};

/**
 * Deletes outbox rows whose tasks Redis has.
 *
 * Those of a shard that was rebuilt since are left to the reconciler: a server that had been replaced, and did not know it
 * yet, may have taken the tasks and lost them. (A rebuilding makes the epoch higher by two.)
 */
export const deleteOutbox = async (session: DatabaseSession, done: readonly DoneOutboxRow[]): Promise<void> => {
  await session.$executeRaw`
    DELETE FROM outbox o
    USING unnest(${plainArray(done, ({ id }) => id)}::uuid[], ${plainArray(done, ({ epoch }) => epoch)}::bigint[]) AS d(id, epoch)
    WHERE o.id = d.id AND NOT EXISTS (SELECT FROM shards s WHERE s.id = o.shard_id AND s.epoch > d.epoch + 1)`;
};

/**
 * The newest epoch of an outbox row's shard, if it began before the row's transaction did: then nobody else enqueues the row's
 * tasks while Redis takes those of this epoch (docs/decisions/reconciling.md).
 *
 * @returns undefined where the epoch is younger, or the row is gone
 */
export const findEpochOf = async (session: DatabaseSession, outboxId: string): Promise<string | undefined> => {
  const [row] = await session.$queryRaw<{ epoch: bigint }[]>`
    SELECT s.epoch FROM outbox o JOIN shards s ON s.id = o.shard_id WHERE o.id = ${outboxId}::uuid AND o.created_at >= s.epoch_at`;
  return row && String(row.epoch);
};

interface ChangeRow {
  owner_id: string;
  position: bigint;
  task_id: string;
  seq: number;
  status: string;
  attempt: number;
  queue: string;
  type: string;
  worker_id: string | null;
  at: Date;
  data: string | null;
  priority: string;
  max_attempts: number;
  timeout_ms: number | null;
  tags: string[];
  run_at: Date | null;
  backoff: string | null;
}

const toChange = (row: ChangeRow): Change => ({
  ownerId: row.owner_id,
  position: Number(row.position),
  taskId: row.task_id,
  seq: row.seq,
  status: row.status,
  attempt: row.attempt,
  queue: row.queue,
  type: row.type,
  workerId: row.worker_id ?? '',
  atMs: row.at.getTime(),
  runAtMs: row.status === 'SCHEDULED' ? row.run_at?.getTime() : undefined,
  data: row.data ?? '',
  origin: {
    priority: row.priority,
    maxAttempts: row.max_attempts,
    timeoutMs: row.timeout_ms,
    tags: row.tags,
    runAt: row.run_at?.toISOString() ?? null,
    backoff: row.backoff,
  },
});

/** An owner's changes with position > `after`, in order, at most `limit`. A completed task's last one carries its result. */
export const readChanges = async (
  session: DatabaseSession,
  ownerId: string,
  after: number,
  limit: number,
): Promise<Change[]> => {
  const rows = await session.$queryRaw<ChangeRow[]>`
    SELECT e.owner_id, e.position, e.task_id, e.seq, e.status::text, e.attempt, t.queue, t.type, e.worker_id, e.at,
      coalesce(e.detail, CASE WHEN e.status = 'COMPLETED' THEN t.result END)::text AS data,
      t.priority::text, t.max_attempts, t.timeout_ms, t.tags, t.run_at, t.backoff
    FROM task_events e JOIN tasks t ON t.id = e.task_id
    WHERE e.owner_id = ${ownerId}::uuid AND e.position > ${after}
    ORDER BY e.position LIMIT ${limit}`;
  return rows.map(toChange);
};

/** The last position of each of these owners. */
export const readPositions = async (
  session: DatabaseSession,
  ownerIds: readonly string[],
): Promise<Map<string, number>> => {
  const rows = await session.$queryRaw<{ owner_id: string; position: bigint }[]>`
    SELECT owner_id, position FROM owner_feeds WHERE owner_id = ANY(${[...ownerIds]}::uuid[])`;
  return new Map(rows.map((row) => [row.owner_id, Number(row.position)]));
};

export interface IdempotentRow {
  key: string;
  taskId: string;
  requestHash: Uint8Array;
}

/**
 * Takes idempotency keys for new tasks, and locks those that are taken already: until the end of the transaction nobody
 * drops them or gives them to another task. A key is taken or found, never neither (an INSERT that does nothing, then a
 * SELECT, would miss a key that the janitor drops in between). Keys are locked in order, so that two callers with the same
 * keys wait for each other instead of locking each other out.
 *
 * @returns the rows that were there already, of earlier tasks
 */
export const takeIdempotencyKeys = async (
  session: DatabaseSession,
  ownerId: string,
  wanted: readonly IdempotentRow[],
): Promise<IdempotentRow[]> => {
  const sorted = wanted.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const taskIds = new Map(wanted.map(({ key, taskId }) => [key, taskId]));
  const rows = await session.$queryRaw<{ key: string; task_id: string; request_hash: Uint8Array }[]>`
    INSERT INTO idempotency_keys AS k (owner_id, key, task_id, request_hash)
    SELECT ${ownerId}::uuid, w.key, w.task_id, decode(w.hash, 'hex')
    FROM unnest(${textArray(sorted, (row) => row.key)}::text[], ${plainArray(sorted, (row) => row.taskId)}::uuid[],
      ${textArray(sorted, (row) => Buffer.from(row.requestHash).toString('hex'))}::text[]) AS w(key, task_id, hash)
    ON CONFLICT (owner_id, key) DO UPDATE SET task_id = k.task_id
    RETURNING key, task_id, request_hash`;
  return rows
    .filter((row) => row.task_id !== taskIds.get(row.key))
    .map((row) => ({ key: row.key, taskId: row.task_id, requestHash: row.request_hash }));
};

/** Gives keys, which the transaction has locked, to new tasks: their earlier ones are no longer kept. */
export const passOnIdempotencyKeys = async (
  session: DatabaseSession,
  ownerId: string,
  wanted: readonly IdempotentRow[],
): Promise<void> => {
  if (wanted.length === 0) return;
  await session.$executeRaw`
    UPDATE idempotency_keys k SET task_id = w.task_id, request_hash = decode(w.hash, 'hex'), created_at = now()
    FROM unnest(${textArray(wanted, (row) => row.key)}::text[], ${plainArray(wanted, (row) => row.taskId)}::uuid[],
      ${textArray(wanted, (row) => Buffer.from(row.requestHash).toString('hex'))}::text[]) AS w(key, task_id, hash)
    WHERE k.owner_id = ${ownerId}::uuid AND k.key = w.key`;
};

export type { Task };
