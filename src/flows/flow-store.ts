import { plainArray, textArray } from '../database/arrays.ts';
import { type Database, type DatabaseSession, Prisma } from '../database/client.ts';
import type { Flow } from '../database/generated/client/client.ts';
import type { ParentFailureAction } from '../tasks/new-task.ts';
import type { PageSpan } from '../tasks/page.ts';
import type { TaskStatus } from '../tasks/task-state.ts';

export type { Flow };

/** Writes a flow and what its tasks are called, in their order. */
export const insertFlow = async (
  session: DatabaseSession,
  { id, ownerId, name }: Omit<Flow, 'createdAt'>,
  tasks: readonly { taskId: string; name: string }[],
): Promise<void> => {
  await session.$executeRaw`
    WITH flow AS (
      INSERT INTO flows (id, owner_id, name) VALUES (${id}::uuid, ${ownerId}::uuid, ${name})
    )
    INSERT INTO flow_tasks (flow_id, place, task_id, name)
    SELECT ${id}::uuid, t.place - 1, t.task_id, t.name
    FROM unnest(${plainArray(tasks, ({ taskId }) => taskId)}::uuid[], ${textArray(tasks, (task) => task.name)}::text[])
      WITH ORDINALITY AS t(task_id, name, place)`;
};

/** @param ownerId whose it must be; undefined for an admin */
export const findFlowRow = (database: Database, ownerId: string | undefined, id: string): Promise<Flow | null> =>
  database.flow.findUnique({ where: ownerId === undefined ? { id } : { id, ownerId } });

export const findFlowPage = (
  database: Database,
  ownerId: string | undefined,
  { after, before, isBackward, limit }: PageSpan,
): Promise<Flow[]> =>
  database.flow.findMany({
    where: {
      ...(ownerId !== undefined && { ownerId }),
      id: { ...(after !== undefined && { lt: after }), ...(before !== undefined && { gt: before }) },
    },
    orderBy: { id: isBackward ? 'asc' : 'desc' },
    take: limit,
  });

/** A task of a flow. */
export interface FlowTask {
  flowId: string;
  taskId: string;
  /** In the order of the submission, from 0. */
  place: number;
  name: string;
}

/** How far the time in an id may be from that of another made together with it, in ms; clocks of api nodes differ. */
const CLOCK_MARGIN_MS = 10 * 60_000;
const TIME_DIGITS = 12;

/** The first UUID of the time in this id, moved by so many ms: with it PostgreSQL leaves out the partitions of other days. */
const shifted = (id: string, ms: number): string => {
  const atMs = Number.parseInt(id.replaceAll('-', '').slice(0, TIME_DIGITS), 16) + ms;
  const hex = Math.max(0, atMs).toString(16).padStart(TIME_DIGITS, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
};

/** Tasks of a flow get their ids just after it. */
const ofFlows = (flowIds: readonly string[]): Prisma.Sql => {
  const sorted = flowIds.toSorted();
  return Prisma.sql`f.flow_id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND f.task_id >= ${sorted[0]}::uuid
      AND f.task_id <= ${shifted(sorted.at(-1) ?? '', CLOCK_MARGIN_MS)}::uuid`;
};

/** The tasks of these flows, each flow's in order. */
export const findFlowTasks = (session: DatabaseSession, flowIds: readonly string[]): Promise<FlowTask[]> =>
  session.$queryRaw<FlowTask[]>`
    SELECT flow_id AS "flowId", task_id AS "taskId", place, name FROM flow_tasks f WHERE ${ofFlows(flowIds)} ORDER BY flow_id, place`;

/** How many tasks of these flows stand where; those that are no longer kept are not counted. */
export const countFlowTasks = (
  session: DatabaseSession,
  flowIds: readonly string[],
): Promise<{ flowId: string; status: TaskStatus; count: number }[]> =>
  session.$queryRaw<{ flowId: string; status: TaskStatus; count: number }[]>`
    SELECT f.flow_id AS "flowId", t.status::text, count(*)::int AS count
    FROM flow_tasks f JOIN tasks t ON t.id = f.task_id WHERE ${ofFlows(flowIds)} GROUP BY f.flow_id, t.status`;

/** The flows of these tasks. */
export const findFlowsOfTasks = (
  session: DatabaseSession,
  taskIds: readonly string[],
): Promise<(Flow & { taskId: string })[]> => {
  const sorted = taskIds.toSorted();
  return session.$queryRaw<(Flow & { taskId: string })[]>`
    SELECT m.task_id AS "taskId", f.id, f.owner_id AS "ownerId", f.name, f.created_at AS "createdAt"
    FROM flow_tasks m JOIN flows f ON f.id = m.flow_id
    WHERE m.task_id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND m.task_id >= ${sorted[0]}::uuid AND m.task_id <= ${sorted.at(-1)}::uuid`;
};

/** That a task waits for another, or waited. */
export interface Dependency {
  childId: string;
  parentId: string;
  name: string | null;
  onFailure: ParentFailureAction;
  /** How the parent ended; null before that. */
  status: TaskStatus | null;
}

/** What these tasks wait for, or waited for, each task's in the order in which it named them. */
export const findDependencies = (session: DatabaseSession, childIds: readonly string[]): Promise<Dependency[]> => {
  const sorted = childIds.toSorted();
  return session.$queryRaw<Dependency[]>`
    SELECT child_id AS "childId", parent_id AS "parentId", name, on_failure::text AS "onFailure", status::text
    FROM task_dependencies
    WHERE child_id = ANY(${plainArray(sorted, (id) => id)}::uuid[]) AND child_id >= ${sorted[0]}::uuid AND child_id <= ${sorted.at(-1)}::uuid
    ORDER BY child_id, place`;
};

/** Those who wait for these tasks, or waited: the first `limit` of each, by age. */
export const findDependents = (
  session: DatabaseSession,
  parentIds: readonly string[],
  limit: number,
): Promise<{ parentId: string; childId: string }[]> =>
  session.$queryRaw<{ parentId: string; childId: string }[]>`
    SELECT p.id AS "parentId", d.child_id AS "childId"
    FROM unnest(${plainArray(parentIds, (id) => id)}::uuid[], ${plainArray(parentIds, (id) => shifted(id, -CLOCK_MARGIN_MS))}::uuid[]) AS p(id, since)
    CROSS JOIN LATERAL (
      SELECT child_id FROM task_dependencies WHERE parent_id = p.id AND child_id >= p.since ORDER BY child_id LIMIT ${limit}
    ) AS d`;
