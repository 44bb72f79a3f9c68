import type { Reach } from '../accounts/principal.ts';
import type { Database } from '../database/client.ts';
import type { TaskLog } from '../database/generated/client/client.ts';
import { badInput, TaskFlowError } from '../errors.ts';
import type { LogMessage } from '../realtime/change.ts';
import { isSideMessage } from '../realtime/owner-feed.ts';
import { closing } from './closing.ts';
import { findTask } from './find-tasks.ts';
import { hasEnded, type TaskStatus } from './task-state.ts';
import type { WatchServices } from './watch-tasks.ts';

/** A line that a handler kept with its task. */
export interface LogLine {
  /** "<seq of the attempt's claim>.<number>": its place among the task's lines. */
  id: string;
  taskId: string;
  attempt: number;
  at: Date;
  level: string;
  message: string;
  fields: unknown;
}

const PAGE = 500;
export const MAX_LOG_PAGE = 500;

interface Place {
  claimedAtSeq: number;
  number: number;
}
const BEGINNING: Place = { claimedAtSeq: 0, number: 0 };

/** @throws TaskFlowError BAD_USER_INPUT when it is no id of a line */
const placeOf = (id: string | null | undefined, field: string): Place => {
  if (id === null || id === undefined) return BEGINNING;
  const match = /^(\d{1,9})\.(\d{1,9})$/.exec(id);
  if (!match) throw badInput(field, `${field} must be the id of a log line.`);
  return { claimedAtSeq: Number(match[1]), number: Number(match[2]) };
};

const isAfter = (a: Place, b: Place): boolean =>
  a.claimedAtSeq > b.claimedAtSeq || (a.claimedAtSeq === b.claimedAtSeq && a.number > b.number);

/** Records come from workers in any language: what is missing or of another type is made up for. */
const toLine = (row: Omit<TaskLog, 'record'> & { record: unknown }): LogLine => {
  const { level, message, fields } = Object(row.record) as Record<string, unknown>;
  return {
    id: `${row.claimedAtSeq}.${row.number}`,
    taskId: row.taskId,
    attempt: row.attempt,
    at: row.at,
    level: typeof level === 'string' ? level : 'info',
    message: typeof message === 'string' ? message : JSON.stringify(row.record),
    fields: fields ?? null,
  };
};

const fromMessage = ({ record, atMs, ...line }: LogMessage): LogLine =>
  toLine({ ...line, at: new Date(atMs), record: JSON.parse(record) });

/**
 * A page of a task's log lines after one of them, in order. The caller has made sure that the task may be seen.
 *
 * @param size at most 500
 * @throws TaskFlowError BAD_USER_INPUT for a larger page or a malformed id
 */
export const findLogs = async (
  database: Database,
  taskId: string,
  after: string | null | undefined,
  size: number,
): Promise<{ lines: LogLine[]; hasNextPage: boolean }> => {
  if (size < 0 || size > MAX_LOG_PAGE) throw badInput('first', `first must be 0 to ${MAX_LOG_PAGE}.`, MAX_LOG_PAGE);
  // One more than asked for shows whether there are more.
  const found = await readAfter(database, taskId, placeOf(after, 'after'), size + 1);
  return { lines: found.slice(0, size), hasNextPage: found.length > size };
};

const readAfter = async (
  database: Database,
  taskId: string,
  { claimedAtSeq, number }: Place,
  limit: number,
): Promise<LogLine[]> => {
  const rows = await database.taskLog.findMany({
    where: { taskId, OR: [{ claimedAtSeq: { gt: claimedAtSeq } }, { claimedAtSeq, number: { gt: number } }] },
    orderBy: [{ claimedAtSeq: 'asc' }, { number: 'asc' }],
    take: limit,
  });
  return rows.map(toLine);
};

/**
 * A task's log lines after one of them, past ones first, then as they come; ends with the task.
 *
 * @param reach whose task it must be; undefined for an admin
 * @throws TaskFlowError NOT_FOUND; BAD_USER_INPUT; SLOW_CONSUMER from the iterator
 */
export const watchLogs = async (
  { database, router }: WatchServices,
  reach: Reach,
  taskId: string,
  afterId: string | null | undefined,
): Promise<AsyncIterableIterator<LogLine>> => {
  let last = placeOf(afterId, 'afterId');
  const task = await findTask(database, reach, taskId, []);
  if (!task) throw new TaskFlowError('NOT_FOUND', `There is no task ${taskId}.`);
  const messages = await router.subscribeWithSide(task.ownerId, task.id);
  const kept = async function* () {
    for (;;) {
      const page = await readAfter(database, task.id, last, PAGE);
      for (const line of page) {
        last = placeOf(line.id, 'id');
        yield line;
      }
      if (page.length < PAGE) return;
    }
  };
  const lines = async function* () {
    yield* kept();
    const now = await findTask(database, undefined, task.id, []);
    if (!now || hasEnded(now.status)) return yield* kept();
    for await (const message of messages) {
      if (!isSideMessage(message)) {
        // The recorder keeps lines before the transitions that came after them.
        if (hasEnded(message.status as TaskStatus)) return yield* kept();
      } else if (message.kind === 'log' && isAfter(message, last)) {
        const isNext =
          message.claimedAtSeq === last.claimedAtSeq ? message.number === last.number + 1 : message.number === 1;
        if (isNext) {
          last = message;
          yield fromMessage(message);
        } else {
          // A message was lost; PostgreSQL has its line.
          yield* kept();
        }
      }
    }
  };
  return closing(messages, lines());
};
