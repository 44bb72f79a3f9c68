import type { Reach } from '../accounts/principal.ts';
import { Prisma } from '../database/client.ts';
import { badInput } from '../errors.ts';
import { QUEUE_NAME } from '../queues/queue-name.ts';
import { containsUnstorable, TASK_TYPE } from './new-task.ts';
import { checkPayloadFilters, type PayloadFilter, toPayloadCondition } from './payload-filter.ts';
import type { TaskStatus } from './task-state.ts';
import type { Task } from './task-store.ts';

/** Which tasks: all that is given must hold. Lists hold if one of their values does, but `tags` must all be there. */
export interface TaskWhere {
  ids?: readonly string[] | null | undefined;
  status?: readonly TaskStatus[] | null | undefined;
  queue?: readonly string[] | null | undefined;
  type?: readonly string[] | null | undefined;
  tags?: readonly string[] | null | undefined;
  /** All must hold. */
  payload?: readonly PayloadFilter[] | null | undefined;
  /** Made after this time, not at it. */
  createdAfter?: Date | null | undefined;
  /** Made before this time, not at it. */
  createdBefore?: Date | null | undefined;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Values in one list of a filter. */
const MAX_VALUES = 500;
/** How far the time in an id may be from `createdAt`, in ms: one is the api's clock, the other PostgreSQL's. */
const CLOCK_MARGIN_MS = 10 * 60_000;
const MAX_TIME_MS = 2 ** 48 - 1;

/** @throws TaskFlowError BAD_USER_INPUT when it is no UUID */
export const checkId = (id: string, field = 'id'): string => {
  if (!UUID.test(id)) throw badInput(field, `${field} must be a UUID.`);
  return id.toLowerCase();
};

/**
 * Checks a filter, and brings its ids into the form that tasks have.
 *
 * @throws TaskFlowError BAD_USER_INPUT that names the field
 */
export const checkWhere = (where: TaskWhere): TaskWhere => {
  for (const name of ['ids', 'status', 'queue', 'type', 'tags'] as const) {
    const length = where[name]?.length ?? 0;
    if (length > MAX_VALUES)
      throw badInput(
        `where.${name}`,
        `where.${name} has ${length} values; at most ${MAX_VALUES} are allowed.`,
        MAX_VALUES,
      );
  }
  checkForm('where.queue', where.queue, QUEUE_NAME);
  checkForm('where.type', where.type, TASK_TYPE);
  where.tags?.forEach((tag, i) => {
    if (!containsUnstorable(tag)) return;
    const field = `where.tags.${i}`;
    throw badInput(field, `${field} contains the character NUL or half of a surrogate pair.`);
  });
  if (given(where.payload)) checkPayloadFilters(where.payload);
  return { ...where, ids: where.ids?.map((id, i) => checkId(id, `where.ids.${i}`)) };
};

const checkForm = (field: string, values: readonly string[] | null | undefined, form: RegExp): void => {
  values?.forEach((value, i) => {
    if (!form.test(value)) throw badInput(`${field}.${i}`, `${field}.${i} must match ${form.source}.`);
  });
};

/** The least and the greatest UUIDv7 of an instant. */
const idBound = (atMs: number, rest: string): string => {
  const hex = Math.min(Math.max(Math.floor(atMs), 0), MAX_TIME_MS)
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-${rest}`;
};
const firstId = (atMs: number): string => idBound(atMs, '0000-0000-000000000000');
const lastId = (atMs: number): string => idBound(atMs, 'ffff-ffff-ffffffffffff');

const given = <T>(values: readonly T[] | null | undefined): values is readonly T[] =>
  values !== null && values !== undefined;

/**
 * A checked filter as conditions on rows of `tasks`. Times also bound the id, whose first bits are a time: PostgreSQL then
 * looks only at the partitions of those days. Tasks that are asked for as FAILED are found by their dead letters.
 *
 * @param ownerId whose tasks, where they are one owner's: only their dead letters are then looked at
 */
export const toConditions = (where: TaskWhere, ownerId?: string): Prisma.Sql[] => {
  const conditions: Prisma.Sql[] = [];
  if (given(where.ids)) conditions.push(Prisma.sql`id = ANY(${[...where.ids]}::uuid[])`);
  if (given(where.status)) conditions.push(Prisma.sql`status = ANY(${[...where.status]}::task_status[])`);
  if (isFailedOnly(where)) {
    const owned = ownerId === undefined ? Prisma.empty : Prisma.sql`WHERE owner_id = ${ownerId}::uuid`;
    conditions.push(Prisma.sql`id IN (SELECT task_id FROM dead_letters ${owned})`);
  }
  if (given(where.queue)) conditions.push(Prisma.sql`queue = ANY(${[...where.queue]}::text[])`);
  if (given(where.type)) conditions.push(Prisma.sql`type = ANY(${[...where.type]}::text[])`);
  if (given(where.tags)) conditions.push(hasTags(where.tags));
  if (given(where.payload)) conditions.push(...where.payload.map(toPayloadCondition));
  if (where.createdAfter) {
    const low = firstId(where.createdAfter.getTime() - CLOCK_MARGIN_MS);
    conditions.push(Prisma.sql`created_at > ${where.createdAfter.toISOString()}::timestamptz AND id >= ${low}::uuid`);
  }
  if (where.createdBefore) {
    const high = lastId(where.createdBefore.getTime() + CLOCK_MARGIN_MS);
    conditions.push(Prisma.sql`created_at < ${where.createdBefore.toISOString()}::timestamptz AND id <= ${high}::uuid`);
  }
  return conditions;
};

const isFailedOnly = ({ status }: TaskWhere): boolean =>
  given(status) && status.length > 0 && status.every((each) => each === 'FAILED');

/** The index holds tasks with tags only, which PostgreSQL cannot tell from the containment. */
const hasTags = (tags: readonly string[]): Prisma.Sql =>
  tags.length === 0 ? Prisma.sql`true` : Prisma.sql`tags @> ${[...tags]}::text[] AND tags <> '{}'`;

/** Does a filter ask for more than ids and times, so that rows may have to be looked at that do not fit? */
export const isSearch = ({ status, queue, type, tags, payload }: TaskWhere): boolean =>
  given(status) || given(queue) || given(type) || given(tags) || given(payload);

/** What may be read as conditions on rows of `tasks`; `isWithinReach` says the same of one task. */
export const toReachConditions = (reach: Reach): Prisma.Sql[] => {
  if (reach === undefined) return [];
  if (typeof reach === 'string') return [Prisma.sql`owner_id = ${reach}::uuid`];
  const { ownerId, taskIds, tags } = reach;
  const ways = [Prisma.sql`id = ANY(${[...taskIds]}::uuid[])`];
  if (tags.length > 0) ways.push(Prisma.sql`(${hasTags(tags)})`);
  return [Prisma.sql`owner_id = ${ownerId}::uuid`, Prisma.sql`(${Prisma.join(ways, ' OR ')})`];
};

/** What a filter asks of a task that can be told without its tags and the time it was made. */
export type PlainTask = Pick<Task, 'id' | 'status' | 'queue' | 'type'>;

export const matchesPlain = (where: TaskWhere, task: PlainTask): boolean =>
  (where.ids?.includes(task.id) ?? true) &&
  (where.status?.includes(task.status) ?? true) &&
  (where.queue?.includes(task.queue) ?? true) &&
  (where.type?.includes(task.type) ?? true);

/** Does the filter also ask for tags or times? (Changes cannot be filtered by payload.) */
export const asksForMore = (where: TaskWhere): boolean =>
  given(where.tags) || Boolean(where.createdAfter ?? where.createdBefore);

export const matchesMore = (where: TaskWhere, task: Pick<Task, 'tags' | 'createdAt'>): boolean =>
  (where.tags?.every((tag) => task.tags.includes(tag)) ?? true) &&
  (!where.createdAfter || task.createdAt > where.createdAfter) &&
  (!where.createdBefore || task.createdAt < where.createdBefore);
