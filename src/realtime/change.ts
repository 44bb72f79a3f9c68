import { z } from 'zod';
import { fieldsOf } from '../broker/event-stream.ts';

/** What never changes about a task, but for its payload: sent along with its first transition. */
export interface TaskOrigin {
  priority: string;
  maxAttempts: number;
  timeoutMs: number | null;
  tags: string[];
  runAt: string | null;
  backoff: string | null;
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

const OriginSchema = z.object({
  priority: z.string(),
  maxAttempts: z.number(),
  timeoutMs: z.number().nullable(),
  tags: z.array(z.string()),
  runAt: z.string().nullable(),
  backoff: z.string().nullable().default(null),
});

/**
 * One line of a message, fields with tabs between, JSON last. Lines cost a third of JSON to write and read, and a node
 * can skip the lines of owners that nobody watches after reading their first 36 characters.
 */
export const encodeChange = (change: Change): string =>
  `${change.ownerId}\t${change.position}\t${change.taskId}\t${change.seq}\t${change.status}\t${change.attempt}\t${change.queue}\t${
    change.type
  }\t${change.workerId}\t${change.atMs}\t${change.runAtMs ?? ''}\t${change.data}\t${change.origin ? JSON.stringify(change.origin) : ''}`;

/** How far a running attempt is. Not a transition: it has no position, and a lost one is made up for by the next. */
export interface ProgressMessage {
  kind: 'progress';
  ownerId: string;
  taskId: string;
  attempt: number;
  /** 0 to 100. */
  percent: number;
  /** JSON text; empty for none. */
  detail: string;
}

/** A log line of an attempt, already kept in PostgreSQL. */
export interface LogMessage {
  kind: 'log';
  ownerId: string;
  taskId: string;
  attempt: number;
  claimedAtSeq: number;
  number: number;
  atMs: number;
  /** JSON text: level, message, fields. */
  record: string;
}

/** What is said about a task between its transitions. */
export type SideMessage = ProgressMessage | LogMessage;

export const encodeSideMessage = (message: SideMessage): string =>
  message.kind === 'progress'
    ? `${message.ownerId}\tp\t${message.taskId}\t${message.attempt}\t${message.percent}\t${message.detail}`
    : `${message.ownerId}\tl\t${message.taskId}\t${message.attempt}\t${message.claimedAtSeq}\t${message.number}\t${message.atMs}\t${message.record}`;

const decodeSideMessage = (line: string): SideMessage => {
  const [ownerId, kind, taskId, attempt, third, fourth, at, record] = fieldsOf(line, 8);
  if (kind === 'p')
    return { kind: 'progress', ownerId, taskId, attempt: Number(attempt), percent: Number(third), detail: fourth };
  return {
    kind: 'log',
    ownerId,
    taskId,
    attempt: Number(attempt),
    claimedAtSeq: Number(third),
    number: Number(fourth),
    atMs: Number(at),
    record,
  };
};

const OWNER_LENGTH = 36;
/** What stands after the owner: a position, or a letter. */
const LETTER_P = 112;
const LETTER_L = 108;

export const decodeLine = (line: string): Change | SideMessage => {
  const code = line.charCodeAt(OWNER_LENGTH + 1);
  return code === LETTER_P || code === LETTER_L ? decodeSideMessage(line) : decodeChange(line);
};

/** What those who count need of a transition. */
export type CountedTransition = Pick<Change, 'taskId' | 'seq' | 'status' | 'atMs' | 'data'>;

/**
 * As `decodeLine`, for whoever reads the lines of all owners: without what costs most, the first transition's origin.
 *
 * @returns undefined for a side message
 */
export const decodeTransition = (line: string): CountedTransition | undefined => {
  const code = line.charCodeAt(OWNER_LENGTH + 1);
  if (code === LETTER_P || code === LETTER_L) return undefined;
  const [, , taskId, seq, status, , , , , at, , data] = fieldsOf(line, 13);
  return { taskId, seq: Number(seq), status, atMs: Number(at), data };
};

/** Whose line is it? */
export const ownerOfLine = (line: string): string => line.slice(0, OWNER_LENGTH);

export const decodeChange = (line: string): Change => {
  const [ownerId, position, taskId, seq, status, attempt, queue, type, workerId, at, runAt, data, origin] = fieldsOf(
    line,
    13,
  );
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
