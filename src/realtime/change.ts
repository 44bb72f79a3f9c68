import { z } from 'zod';

/** What never changes about a task, but for its payload: sent along with its first transition. */
export interface TaskOrigin {
  priority: string;
  maxAttempts: number;
  timeoutMs: number | null;
  tags: string[];
  runAt: string | null;
}

/** One transition as subscribers get it. It is sent only after PostgreSQL committed it. */
export interface Change {
  ownerId: string;
  /** Place in the owner's feed: dense, from 1. */
  position: number;
  taskId: string;
  /** Number of the transition of its task: dense, from 1. */
  seq: number;
  status: string;
  attempt: number;
  queue: string;
  type: string;
  /** Empty where no worker had to do with it. */
  workerId: string;
  atMs: number;
  /** When a SCHEDULED task is due. */
  runAtMs: number | undefined;
  /** JSON text: the result, the error, or the reason; empty for none. */
  data: string;
  /** With the first transition of a task. */
  origin?: TaskOrigin | undefined;
}

const OriginSchema: z.ZodType<TaskOrigin> = z.object({
  priority: z.string(),
  maxAttempts: z.number(),
  timeoutMs: z.number().nullable(),
  tags: z.array(z.string()),
  runAt: z.string().nullable(),
});

/**
 * One line of a message, fields with tabs between, JSON last. Lines cost a third of JSON to write and read, and a node
 * can skip the lines of owners that nobody watches after reading their first 36 characters.
 */
export const encodeChange = (change: Change): string =>
  `${change.ownerId}\t${change.position}\t${change.taskId}\t${change.seq}\t${change.status}\t${change.attempt}\t${change.queue}\t${
    change.type
  }\t${change.workerId}\t${change.atMs}\t${change.runAtMs ?? ''}\t${change.data}\t${change.origin ? JSON.stringify(change.origin) : ''}`;

const OWNER_LENGTH = 36;

/** Whose line is it? */
export const ownerOfLine = (line: string): string => line.slice(0, OWNER_LENGTH);

export const decodeChange = (line: string): Change => {
  const [ownerId, position, taskId, seq, status, attempt, queue, type, workerId, at, runAt, data, origin] = line.split(
    '\t',
  ) as [string, string, string, string, string, string, string, string, string, string, string, string, string];
  return {
    ownerId,
    position: Number(position),
    taskId,
    seq: Number(seq),
    status,
    attempt: Number(attempt),
    queue,
    type,
    workerId,
    atMs: Number(at),
    runAtMs: runAt === '' ? undefined : Number(runAt),
    data,
    origin: origin ? OriginSchema.parse(JSON.parse(origin)) : undefined,
  };
};
