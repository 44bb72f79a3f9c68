import type { Reach } from '../accounts/principal.ts';
import type { TaskLog } from '../database/generated/client/client.ts';
import { badInput, TaskFlowError } from '../errors.ts';
import type { LogMessage } from '../realtime/change.ts';
import { isSideMessage } from '../realtime/owner-feed.ts';
import { closing } from './closing.ts';
import { findTask } from './find-tasks.ts';
import { type PageRequest, pageSize } from './page.ts';
import type { LogLoader, Place } from './task-log-store.ts';
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

export const LOG_PAGE = { initial: 100, max: 500 } as const;

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
 * A page of a task's log lines, in order: the first after one of them, or with `last` the last before one of them. The caller has
 * made sure that the task may be seen.
 *
 * @throws TaskFlowError BAD_USER_INPUT for a page that is too large, or a malformed cursor
 */
export const findLogs = async (
  logs: LogLoader,
  taskId: string,
  page: PageRequest,
): Promise<{ lines: LogLine[]; hasNextPage: boolean; hasPreviousPage: boolean }> => {
  const size = pageSize(page, LOG_PAGE);
  const span = {
    after: page.after ? placeOf(page.after, 'after') : undefined,
    before: page.before ? placeOf(page.before, 'before') : undefined,
    isBackward: typeof page.last === 'number',
  };
  // One more than asked for shows whether there are more.
  const found = await logs.load({ taskId, ...span, limit: size + 1 });
  const lines = found.slice(0, size).map(toLine);
  const hasMore = found.length > size;
  return {
    lines: span.isBackward ? lines.reverse() : lines,
    hasNextPage: span.isBackward ? span.before !== undefined : hasMore,
    hasPreviousPage: span.isBackward ? hasMore : span.after !== undefined,
  };
};

export interface LogServices extends WatchServices {
  loaders: { logs: LogLoader };
}

/**
 * A task's log lines after one of them, past ones first, then as they come; ends with the task.
 *
 * @param reach whose task it must be; undefined for an admin
 * @throws TaskFlowError NOT_FOUND; BAD_USER_INPUT; SLOW_CONSUMER from the iterator
 */
export const watchLogs = async (
  { database, router, loaders: { logs } }: LogServices,
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
      const page = await logs.load({ taskId: task.id, after: last, limit: LOG_PAGE.max });
      for (const row of page) {
        last = row;
        yield toLine(row);
      }
      if (page.length < LOG_PAGE.max) return;
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
