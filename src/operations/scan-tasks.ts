import { plainArray } from '../database/arrays.ts';
import { type DatabaseSession, Prisma } from '../database/client.ts';
import { MAX_OUTCOME_BYTES } from '../tasks/parent-outcomes.ts';
import type { TaskWhere } from '../tasks/task-where.ts';
import { toConditions } from '../tasks/task-where.ts';

/** Tasks that one step acts on, at most: they are written in one transaction. */
export const CHUNK = 500;
/** Rows that one step looks at, at most: some 10 ms, however few of them match. */
const SPAN = 10_000;
/** Before all others. */
export const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** Which tasks are looked at, and from where on. */
export interface Scan {
  /** Whose; null: everybody's. */
  ownerId: string | null;
  /** A checked filter. */
  where: TaskWhere;
  /** Later tasks are left alone. */
  createdUntil: Date;
  /** The last one that was looked at. */
  cursor: string | null;
  /** How many eligible ones are found at once, at most. Default: 500. */
  limit?: number;
  /** A condition on rows of `tasks`: those that match and fulfil it are acted upon, the others are only counted. */
  eligible: Prisma.Sql;
}

/** What stands between a cursor and the next. */
export interface Found {
  /** The last task that was looked at. */
  cursor: string;
  /** How many match the filter. */
  matched: number;
  /** Those of them that are eligible, in order. */
  ids: string[];
}

/** A part of the tasks that is small enough to be looked at, as conditions, and its last id. */
interface Part {
  conditions: Prisma.Sql[];
  end: string;
}

/**
 * The next tasks that match, up to 500 of them eligible. Together with the cursor that it returns, each is found once.
 *
 * @returns undefined when there are no more
 */
export const scanTasks = async (session: DatabaseSession, scan: Scan): Promise<Found | undefined> => {
  const part = await nextPart(session, scan);
  if (!part) return undefined;
  const conditions = Prisma.join([...part.conditions, ...boundsOf(scan), ...toConditions(scan.where)], ' AND ');
  const [row] = await session.$queryRaw<{ end: string; matched: number; ids: string[] | null }[]>`
    WITH hits AS MATERIALIZED (
      SELECT id, ${scan.eligible} AS is_eligible FROM tasks WHERE ${conditions}
    ), cut AS (
      SELECT coalesce((SELECT id FROM hits WHERE is_eligible ORDER BY id OFFSET ${(scan.limit ?? CHUNK) - 1} LIMIT 1), ${part.end}::uuid) AS id
    )
    SELECT cut.id AS end, count(h.id)::int AS matched, array_agg(h.id ORDER BY h.id) FILTER (WHERE h.is_eligible) AS ids
    FROM cut LEFT JOIN hits h ON h.id <= cut.id GROUP BY cut.id`;
  return { cursor: row?.end ?? part.end, matched: row?.matched ?? 0, ids: row?.ids ?? [] };
};

/** What retried tasks may have together, in bytes of their payloads and of their parents' results: all pass through here. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Of a row of `tasks` that waited for others: what it may be told of them. */
const TOLD_BYTES = Prisma.sql`(
  SELECT least(coalesce(sum(octet_length(coalesce(p.result, p.error)::text)), 0), ${MAX_OUTCOME_BYTES})
  FROM task_dependencies d JOIN tasks p ON p.id = d.parent_id WHERE d.child_id = tasks.id)`;

/** How many of these tasks, from the first on, can be put back at once: at least one, whatever its size. */
export const countFitting = async (session: DatabaseSession, ids: readonly string[]): Promise<number> => {
  const [row] = await session.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM (
      SELECT sum(octet_length(payload::text) + greatest(octet_length(parent_results::text), ${TOLD_BYTES})) OVER (ORDER BY id) AS bytes
      FROM tasks
      WHERE id = ANY(${plainArray(ids, (id) => id)}::uuid[]) AND id BETWEEN ${ids[0]}::uuid AND ${ids.at(-1)}::uuid
    ) AS sums WHERE bytes <= ${MAX_BYTES}`;
  return Math.max(1, row.count);
};

/** Counts what `scanTasks` would find, further at a time. */
export const countTasks = async (
  session: DatabaseSession,
  scan: Scan,
): Promise<{ cursor: string; matched: number; eligible: number } | undefined> => {
  const part = await nextPart(session, scan);
  if (!part) return undefined;
  const conditions = Prisma.join([...part.conditions, ...boundsOf(scan), ...toConditions(scan.where)], ' AND ');
  const [row] = await session.$queryRaw<{ matched: number; eligible: number }[]>`
    SELECT count(*)::int AS matched, (count(*) FILTER (WHERE ${scan.eligible}))::int AS eligible FROM tasks WHERE ${conditions}`;
  return { cursor: part.end, matched: row?.matched ?? 0, eligible: row?.eligible ?? 0 };
};

const ownedBy = (ownerId: string | null): Prisma.Sql[] =>
  ownerId === null ? [] : [Prisma.sql`owner_id = ${ownerId}::uuid`];

/** Whose tasks, and none made later. */
const boundsOf = ({ ownerId, createdUntil }: Scan): Prisma.Sql[] => [
  ...ownedBy(ownerId),
  Prisma.sql`created_at <= ${createdUntil.toISOString()}::timestamptz`,
];

const nextPart = (session: DatabaseSession, scan: Scan): Promise<Part | undefined> => {
  const { ids, status } = scan.where;
  if (ids) return Promise.resolve(partOf(ids.toSorted().filter((id) => id > (scan.cursor ?? FIRST_ID))));
  if (status && status.length > 0 && status.every((each) => each === 'FAILED')) return nextDeadLetters(session, scan);
  return nextSpan(session, scan);
};

/** @param ids those that are left, in order */
const partOf = (ids: readonly string[]): Part | undefined => {
  const chosen = ids.slice(0, CHUNK);
  const end = chosen.at(-1);
  if (end === undefined) return undefined;
  const among = Prisma.sql`id = ANY(${plainArray(chosen, (id) => id)}::uuid[])`;
  // The bounds tell PostgreSQL which partitions it may leave out.
  return { conditions: [among, Prisma.sql`id BETWEEN ${chosen[0]}::uuid AND ${end}::uuid`], end };
};

/** FAILED tasks stand in a table of their own: a hundred of them among millions are found at once. */
const nextDeadLetters = async (session: DatabaseSession, { ownerId, cursor }: Scan): Promise<Part | undefined> => {
  const conditions = Prisma.join([...ownedBy(ownerId), Prisma.sql`task_id > ${cursor ?? FIRST_ID}::uuid`], ' AND ');
  const rows = await session.$queryRaw<{ id: string }[]>`
    SELECT task_id AS id FROM dead_letters WHERE ${conditions} ORDER BY task_id LIMIT ${CHUNK}`;
  return partOf(rows.map(({ id }) => id));
};

/** The next tasks along the owner's index, or all tasks', whether they match or not. */
const nextSpan = async (session: DatabaseSession, scan: Scan): Promise<Part | undefined> => {
  const from = Prisma.sql`id > ${scan.cursor ?? FIRST_ID}::uuid`;
  const { createdAfter, createdBefore } = scan.where;
  // A time bounds the ids as well, so that what is submitted meanwhile is not looked at.
  const end = new Date(Math.min(createdBefore?.getTime() ?? Number.POSITIVE_INFINITY, scan.createdUntil.getTime() + 1));
  const times = toConditions({ createdAfter, createdBefore: end });
  const conditions = Prisma.join([from, ...ownedBy(scan.ownerId), ...times], ' AND ');
  const [last] = await session.$queryRaw<{ id: string }[]>`
    SELECT id FROM (SELECT id FROM tasks WHERE ${conditions} ORDER BY id LIMIT ${SPAN}) AS span ORDER BY id DESC LIMIT 1`;
  return last && { conditions: [from, Prisma.sql`id <= ${last.id}::uuid`], end: last.id };
};
