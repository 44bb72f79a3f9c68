import { plainArray, textArray } from '../database/arrays.ts';
import { type DatabaseSession, Prisma } from '../database/client.ts';
import type { ParentFailureAction } from './new-task.ts';
import type { TaskStatus } from './task-state.ts';

/** That one task waits for another, as it is written with the child. */
export interface NewDependency {
  childId: string;
  parentId: string;
  /** In the order of the submission, from 0. */
  place: number;
  name: string | null;
  onFailure: ParentFailureAction;
  /** The parent's when the child is submitted. */
  parentSeq: number;
}

/** Where a task stands that others wait for. */
export interface ParentState {
  id: string;
  status: TaskStatus;
  seq: number;
}

/** `whileBusy` tries parents that are being written again after so many ms: a recorder holds them for a few. */
export const PARENTS_BUSY = { attempts: 300, pauseMs: { min: 2, max: 30 } };

/**
 * Locks tasks that another one is to wait for, so that none of them can end before it is known that something waits. Those of
 * other owners are left out. It does not wait for locks: whoever records holds many of them, in no order.
 *
 * @param ownerId undefined for anybody's
 * @throws lock_not_available (55P03) when one of them is being written: to be tried again in a new transaction
 */
export const lockParents = (
  session: DatabaseSession,
  ownerId: string | undefined,
  ids: readonly string[],
): Promise<ParentState[]> => {
  const sorted = ids.toSorted();
  return session.$queryRaw<ParentState[]>`
    SELECT id, status::text, seq FROM tasks
    WHERE id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND id >= ${sorted[0]}::uuid AND id <= ${sorted.at(-1)}::uuid
      AND owner_id = coalesce(${ownerId ?? null}::uuid, owner_id)
    ORDER BY id FOR NO KEY UPDATE NOWAIT`;
};

/** Notes in tasks, whose rows are locked, that others wait for them. */
export const markParents = async (session: DatabaseSession, ids: readonly string[]): Promise<void> => {
  const sorted = ids.toSorted();
  await session.$executeRaw`
    UPDATE tasks SET has_dependents = true
    WHERE id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND id >= ${sorted[0]}::uuid AND id <= ${sorted.at(-1)}::uuid
      AND NOT has_dependents`;
};

/** @param ended those of the parents that have ended already: the managers will find them */
export const insertDependencies = async (
  session: DatabaseSession,
  dependencies: readonly NewDependency[],
  ended: readonly ParentState[],
): Promise<void> => {
  await session.$executeRaw`
    WITH input AS MATERIALIZED (
      SELECT * FROM unnest(${plainArray(dependencies, (row) => row.childId)}::uuid[], ${plainArray(dependencies, (row) => row.parentId)}::uuid[],
        ${plainArray(dependencies, (row) => row.place)}::int[], ${textArray(dependencies, (row) => row.name)}::text[],
        ${plainArray(dependencies, (row) => row.onFailure)}::parent_failure_action[], ${plainArray(dependencies, (row) => row.parentSeq)}::int[])
        AS i(child_id, parent_id, place, name, on_failure, parent_seq)
    ), kept AS (
      INSERT INTO task_dependencies (child_id, parent_id, place, name, on_failure)
      SELECT child_id, parent_id, place, name, on_failure FROM input
    ), ended AS (
      INSERT INTO ended_parents (task_id, seq, status)
      SELECT * FROM unnest(${plainArray(ended, ({ id }) => id)}::uuid[], ${plainArray(ended, ({ seq }) => seq)}::int[],
        ${plainArray(ended, ({ status }) => status)}::task_status[])
    )
    INSERT INTO pending_dependencies (parent_id, child_id, parent_seq) SELECT parent_id, child_id, parent_seq FROM input`;
};

/** An entry of the list of work: a task has ended that others wait for. */
export interface EndedParent {
  id: bigint;
  taskId: string;
  /** Of the transition that ended it. */
  seq: number;
  status: TaskStatus;
}

const insertEndedParents = async (session: DatabaseSession, ended: readonly ParentState[]): Promise<void> => {
  if (ended.length === 0) return;
  await session.$executeRaw`
    INSERT INTO ended_parents (task_id, seq, status)
    SELECT * FROM unnest(${plainArray(ended, ({ id }) => id)}::uuid[], ${plainArray(ended, ({ seq }) => seq)}::int[],
      ${plainArray(ended, ({ status }) => status)}::task_status[])`;
};

/** Takes entries, the oldest first, for the rest of the transaction. Those that another one holds are left out. */
export const claimEndedParents = (session: DatabaseSession, limit: number): Promise<EndedParent[]> =>
  session.$queryRaw<EndedParent[]>`
    SELECT id, task_id AS "taskId", seq, status::text FROM ended_parents ORDER BY id LIMIT ${limit} FOR UPDATE SKIP LOCKED`;

export const deleteEndedParents = async (session: DatabaseSession, entries: readonly EndedParent[]): Promise<void> => {
  await session.$executeRaw`DELETE FROM ended_parents WHERE id = ANY(${plainArray(entries, ({ id }) => String(id))}::bigint[])`;
};

/** Puts entries behind all others. */
export const postponeEndedParents = async (session: DatabaseSession, ids: readonly bigint[]): Promise<void> => {
  await session.$executeRaw`
    UPDATE ended_parents SET id = nextval(pg_get_serial_sequence('ended_parents', 'id'))
    WHERE id = ANY(${plainArray(ids, String)}::bigint[])`;
};

export interface PendingDependency {
  childId: string;
  parentId: string;
}

/** What waits for these ends: at most `limit`. Who waits for a later end of the same task (it was retried) is left out. */
export const findPending = (
  session: DatabaseSession,
  ended: readonly EndedParent[],
  limit: number,
): Promise<PendingDependency[]> =>
  session.$queryRaw<PendingDependency[]>`
    SELECT p.child_id AS "childId", p.parent_id AS "parentId"
    FROM unnest(${plainArray(ended, ({ taskId }) => taskId)}::uuid[], ${plainArray(ended, ({ seq }) => seq)}::int[]) AS e(task_id, seq)
    JOIN pending_dependencies p ON p.parent_id = e.task_id AND p.parent_seq <= e.seq
    LIMIT ${limit}`;

/**
 * Locks those of these tasks that are WAITING until the end of the transaction, in order: others who resolve dependencies of
 * the same tasks, or cancel them, wait.
 *
 * @param ownerId whose; undefined for anybody's
 * @returns them, with the bytes of their payloads
 */
export const lockWaiting = (
  session: DatabaseSession,
  ids: readonly string[],
  ownerId?: string,
): Promise<{ id: string; payloadBytes: number }[]> => {
  const sorted = ids.toSorted();
  return session.$queryRaw<{ id: string; payloadBytes: number }[]>`
    SELECT id, octet_length(payload::text) AS "payloadBytes" FROM tasks
    WHERE id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND id >= ${sorted[0]}::uuid AND id <= ${sorted.at(-1)}::uuid
      AND status = 'WAITING' AND owner_id = coalesce(${ownerId ?? null}::uuid, owner_id)
    ORDER BY id FOR UPDATE`;
};

/** A dependency whose parent has ended. */
export interface Settled extends PendingDependency {
  onFailure: ParentFailureAction;
  status: TaskStatus;
}

/**
 * Notes how the parents of these dependencies ended, but for those that wait for a later end by now: the child was retried.
 *
 * @param dependencies with the end that is noted
 * @returns them, in the order in which their children name them
 */
export const settleDependencies = async (
  session: DatabaseSession,
  dependencies: readonly (PendingDependency & { status: TaskStatus; seq: number })[],
): Promise<Settled[]> => {
  const sorted = dependencies.map(({ childId }) => childId).sort();
  return session.$queryRaw<Settled[]>`
    WITH input AS MATERIALIZED (
      SELECT * FROM unnest(${plainArray(dependencies, ({ childId }) => childId)}::uuid[], ${plainArray(dependencies, ({ parentId }) => parentId)}::uuid[],
        ${plainArray(dependencies, ({ status }) => status)}::task_status[], ${plainArray(dependencies, ({ seq }) => seq)}::int[])
        AS i(child_id, parent_id, status, seq)
    ), gone AS (
      DELETE FROM pending_dependencies p USING input i
      WHERE p.parent_id = i.parent_id AND p.child_id = i.child_id AND p.parent_seq <= i.seq
      RETURNING p.child_id, p.parent_id, i.status
    ), settled AS (
      UPDATE task_dependencies d SET status = g.status FROM gone g
      WHERE d.child_id = g.child_id AND d.parent_id = g.parent_id
        AND d.child_id >= ${sorted[0]}::uuid AND d.child_id <= ${sorted.at(-1)}::uuid
      RETURNING d.child_id, d.parent_id, d.place, d.on_failure, d.status
    )
    SELECT child_id AS "childId", parent_id AS "parentId", on_failure::text AS "onFailure", status::text FROM settled
    ORDER BY child_id, place`;
};

/** Those of these tasks that wait for a further one. */
export const findStillPending = async (session: DatabaseSession, ids: readonly string[]): Promise<Set<string>> => {
  const rows = await session.$queryRaw<{ childId: string }[]>`
    SELECT DISTINCT child_id AS "childId" FROM pending_dependencies WHERE child_id = ANY(${plainArray(ids, (id) => id)}::uuid[])`;
  return new Set(rows.map(({ childId }) => childId));
};

/** What a task that is set free is told of one of its parents, but for the result or error itself. */
export interface ParentEnd extends PendingDependency {
  name: string | null;
  status: TaskStatus;
  /** Of the result or error as JSON text; null where the parent is not kept any more. */
  bytes: number | null;
}

/**
 * How the parents of these tasks ended, in the order in which the tasks name them. Those that have not ended are left out.
 *
 * @param asOf whether it is how each ended first after the submission, or how it stands now, should it have been retried since
 */
export const findParentEnds = (
  session: DatabaseSession,
  childIds: readonly string[],
  asOf: 'first end' | 'now',
): Promise<ParentEnd[]> => {
  const sorted = childIds.toSorted();
  const status = asOf === 'now' ? Prisma.sql`coalesce(t.status, d.status)` : Prisma.sql`d.status`;
  return session.$queryRaw<ParentEnd[]>`
    SELECT d.child_id AS "childId", d.parent_id AS "parentId", d.name, ${status}::text AS status,
      CASE WHEN t.id IS NULL THEN NULL
        ELSE coalesce(octet_length((CASE ${status} WHEN 'COMPLETED' THEN t.result WHEN 'FAILED' THEN t.error END)::text), 0) END AS bytes
    FROM task_dependencies d LEFT JOIN tasks t ON t.id = d.parent_id
    WHERE d.child_id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND d.child_id >= ${sorted[0]}::uuid AND d.child_id <= ${sorted.at(-1)}::uuid
      AND ${status} IN ('COMPLETED', 'FAILED', 'CANCELLED')
    ORDER BY d.child_id, d.place`;
};

/** JSON texts of tasks' results and errors. */
export const readOutcomes = async (
  session: DatabaseSession,
  ids: readonly string[],
): Promise<Map<string, { result: string | null; error: string | null }>> => {
  if (ids.length === 0) return new Map();
  const rows = await session.$queryRaw<{ id: string; result: string | null; error: string | null }[]>`
    SELECT id, result::text, error::text FROM tasks WHERE id = ANY(${plainArray(ids, (id) => id)}::uuid[])`;
  return new Map(rows.map((row) => [row.id, row]));
};

/**
 * What these tasks depend on and what has not ended.
 *
 * @param endedSince those are found as well that did not complete since then, and whose children do not want to run then
 */
export const findOpenParents = (
  session: DatabaseSession,
  childIds: readonly string[],
  endedSince?: Date,
): Promise<PendingDependency[]> => {
  const sorted = childIds.toSorted();
  const hasEndedSince = endedSince
    ? Prisma.sql`OR (p.finished_at > ${endedSince.toISOString()}::timestamptz AND p.status <> 'COMPLETED' AND d.on_failure = 'CANCEL')`
    : Prisma.empty;
  return session.$queryRaw<PendingDependency[]>`
    SELECT d.child_id AS "childId", d.parent_id AS "parentId"
    FROM task_dependencies d JOIN tasks p ON p.id = d.parent_id
    WHERE d.child_id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND d.child_id >= ${sorted[0]}::uuid AND d.child_id <= ${sorted.at(-1)}::uuid
      AND (p.finished_at IS NULL ${hasEndedSince})`;
};

/**
 * Lets tasks that were just put back wait again: for those of these dependencies whose parents' rows are locked. What else
 * they depend on counts as it stands now. It does not wait for locks: managers hold some while they note ends.
 *
 * @param open with the parent's present seq: earlier ends do not count
 * @param ended those of the parents that have ended already: the managers will find them
 * @throws lock_not_available (55P03)
 */
export const waitAgain = async (
  session: DatabaseSession,
  open: readonly (PendingDependency & { parentSeq: number })[],
  ended: readonly ParentState[],
): Promise<void> => {
  const sorted = [...new Set(open.map(({ childId }) => childId))].sort();
  const children = Prisma.sql`${plainArray(sorted, (id) => id)}::uuid[]`;
  await session.$queryRaw`
    SELECT FROM pending_dependencies WHERE child_id = ANY(${children}) ORDER BY parent_id, child_id FOR UPDATE NOWAIT`;
  await insertEndedParents(session, ended);
  await session.$executeRaw`DELETE FROM pending_dependencies WHERE child_id = ANY(${children})`;
  await session.$executeRaw`
    INSERT INTO pending_dependencies (parent_id, child_id, parent_seq)
    SELECT * FROM unnest(${plainArray(open, ({ parentId }) => parentId)}::uuid[], ${plainArray(open, ({ childId }) => childId)}::uuid[],
      ${plainArray(open, ({ parentSeq }) => parentSeq)}::int[])`;
  await session.$executeRaw`
    UPDATE task_dependencies d SET status = (
      SELECT CASE WHEN p.parent_id IS NOT NULL THEN NULL ELSE coalesce(t.status, d.status) END
      FROM (SELECT 1) AS one
      LEFT JOIN tasks t ON t.id = d.parent_id
      LEFT JOIN pending_dependencies p ON p.parent_id = d.parent_id AND p.child_id = d.child_id)
    WHERE d.child_id = ANY(${children}) AND d.child_id >= ${sorted[0]}::uuid AND d.child_id <= ${sorted.at(-1)}::uuid`;
  await session.$executeRaw`
    UPDATE tasks SET status = 'WAITING'
    WHERE id = ANY(${children}) AND id >= ${sorted[0]}::uuid AND id <= ${sorted.at(-1)}::uuid`;
};
