import DataLoader from 'dataloader';
import { plainArray } from '../database/arrays.ts';
import { type Database, Prisma } from '../database/client.ts';
import type { TaskLog } from '../database/generated/client/client.ts';

/** Where a line stands among those of its task. */
export interface Place {
  claimedAtSeq: number;
  number: number;
}

/** Lines of one task. */
export interface LogSpan {
  taskId: string;
  /** Only lines after this one. Default: from the first on. */
  after?: Place | undefined;
  /** Only lines before this one. Default: up to the last. */
  before?: Place | undefined;
  /** From the end on, latest lines first. Default: in order. */
  isBackward?: boolean;
  limit: number;
}

/** Reads the lines of spans that are asked for one by one, many in one query. Whose tasks they are, the caller must know. */
export type LogLoader = DataLoader<LogSpan, TaskLog[]>;

const MAX_BATCH = 100;
const BEFORE_ALL: Place = { claimedAtSeq: -1, number: -1 };
const AFTER_ALL: Place = { claimedAtSeq: 2 ** 31 - 1, number: 2 ** 31 - 1 };

export const createLogLoader = (database: Database): LogLoader =>
  new DataLoader(
    async (spans) => {
      const found = new Map<LogSpan, TaskLog[]>();
      const groups = Map.groupBy(spans, ({ isBackward, limit }) => `${isBackward} ${limit}`);
      await Promise.all([...groups.values()].map((group) => readSpans(database, group, found)));
      return spans.map((span) => found.get(span) ?? []);
    },
    // Nothing is remembered: what was true for one answer may not be for the next.
    { cache: false, maxBatchSize: MAX_BATCH },
  );

/** @param spans with one direction and limit */
const readSpans = async (
  database: Database,
  spans: readonly LogSpan[],
  found: Map<LogSpan, TaskLog[]>,
): Promise<void> => {
  const order = spans[0]?.isBackward ? Prisma.sql`DESC` : Prisma.sql`ASC`;
  const numbers = (pick: (span: LogSpan) => number) => Prisma.sql`${plainArray(spans, pick)}::int[]`;
  const rows = await database.$queryRaw<(TaskLog & { place: number })[]>`
    SELECT s.place::int, l.task_id AS "taskId", l.claimed_at_seq AS "claimedAtSeq", l.number, l.attempt, l.at, l.record
    FROM unnest(${plainArray(spans, ({ taskId }) => taskId)}::uuid[],
      ${numbers(({ after = BEFORE_ALL }) => after.claimedAtSeq)}, ${numbers(({ after = BEFORE_ALL }) => after.number)},
      ${numbers(({ before = AFTER_ALL }) => before.claimedAtSeq)}, ${numbers(({ before = AFTER_ALL }) => before.number)})
      WITH ORDINALITY AS s(task_id, after_seq, after_number, before_seq, before_number, place)
    CROSS JOIN LATERAL (
      SELECT * FROM task_logs
      WHERE task_id = s.task_id AND (claimed_at_seq, number) > (s.after_seq, s.after_number)
        AND (claimed_at_seq, number) < (s.before_seq, s.before_number)
      ORDER BY claimed_at_seq ${order}, number ${order} LIMIT ${spans[0]?.limit}
    ) AS l
    ORDER BY s.place, l.claimed_at_seq ${order}, l.number ${order}`;
  const byPlace = Map.groupBy(rows, ({ place }) => place);
  spans.forEach((span, i) => void found.set(span, byPlace.get(i + 1) ?? []));
};
