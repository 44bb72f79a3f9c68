import type { StreamedLogLine, StreamedProgress } from '../../src/broker/event-stream.ts';
import { plainArray, textArray } from '../../src/database/arrays.ts';
import type { DatabaseSession } from '../../src/database/client.ts';

/** Keeps log lines; those that are there already, as after a repeated read of the stream, are passed over. */
export const insertLogs = async (session: DatabaseSession, lines: readonly StreamedLogLine[]): Promise<void> => {
  await session.$executeRaw`
    INSERT INTO task_logs (task_id, claimed_at_seq, number, attempt, at, record)
    SELECT l.task_id, l.claimed_at_seq, l.number, l.attempt, l.at, l.record::json
    FROM unnest(${plainArray(lines, ({ taskId }) => taskId)}::uuid[], ${plainArray(lines, ({ claimedAtSeq }) => claimedAtSeq)}::int[],
      ${plainArray(lines, ({ number }) => number)}::int[], ${plainArray(lines, ({ attempt }) => attempt)}::int[],
      ${plainArray(lines, ({ atMs }) => new Date(atMs).toISOString())}::timestamptz[], ${textArray(lines, ({ record }) => record)}::text[])
      AS l(task_id, claimed_at_seq, number, attempt, at, record)
    ON CONFLICT DO NOTHING`;
};

/** Keeps how far attempts are; of an attempt that is over, nothing. */
export const updateProgress = async (
  session: DatabaseSession,
  progress: readonly StreamedProgress[],
): Promise<void> => {
  await session.$executeRaw`
    UPDATE tasks t SET progress = p.percent, progress_detail = nullif(p.detail, '')::json
    FROM unnest(${plainArray(progress, ({ taskId }) => taskId)}::uuid[], ${plainArray(progress, ({ attempt }) => attempt)}::int[],
      ${plainArray(progress, ({ percent }) => percent)}::real[], ${textArray(progress, ({ detail }) => detail)}::text[])
      AS p(id, attempt, percent, detail)
    WHERE t.id = p.id AND t.attempt <= p.attempt`;
};
