/** One transition, as the Lua functions append it to a shard's stream. Times are ms since 1970, by Redis's clock. */
export interface StreamedTransition {
  taskId: string;
  seq: number;
  status: string;
  attempt: number;
  ownerId: string;
  queue: string;
  type: string;
  /** Empty where no worker had to do with it. */
  workerId: string;
  /** When a SCHEDULED task is due. */
  runAtMs: number | undefined;
  /** JSON text: the result, the error, or the reason; empty for none. */
  data: string;
  atMs: number;
  /** W3C Trace Context of the task's submission; undefined where that is not traced. */
  traceparent?: string | undefined;
}

/** How far a running attempt is. */
export interface StreamedProgress {
  taskId: string;
  ownerId: string;
  attempt: number;
  /** 0 to 100. */
  percent: number;
  /** JSON text; empty for none. */
  detail: string;
}

/** A log line of an attempt. */
export interface StreamedLogLine {
  taskId: string;
  ownerId: string;
  attempt: number;
  /** seq of the transition with which the attempt began. */
  claimedAtSeq: number;
  /** Counts the lines of the attempt, from 1. */
  number: number;
  /** JSON text: level, message, fields. */
  record: string;
  atMs: number;
}

/** Position of an entry in a stream, "<ms>-<n>". */
export type EntryId = string;

/** One call's worth: transitions, or progress, or log lines. */
export interface StreamEntry {
  id: EntryId;
  transitions: StreamedTransition[];
  progress: StreamedProgress[];
  logs: StreamedLogLine[];
}

type Fields<Count extends number, Found extends string[] = []> = Found['length'] extends Count
  ? Found
  : Fields<Count, [...Found, string]>;

/** The fields of a line with tabs between. Whoever wrote it knows how many there are: they are not counted. */
export const fieldsOf = <const Count extends number>(line: string, _count: Count): Fields<Count> =>
  line.split('\t') as Fields<Count>;

/** @param fields "at", ms, then the kind ("e", "p" or "l") and its lines */
export const decodeEntry = (id: EntryId, fields: readonly string[]): StreamEntry => {
  const atMs = Number(fields[1]);
  const lines = (fields[3] ?? '').split('\n');
  const entry: StreamEntry = { id, transitions: [], progress: [], logs: [] };
  if (fields[2] === 'p') entry.progress = lines.map(decodeProgress);
  else if (fields[2] === 'l') entry.logs = lines.map((line) => decodeLogLine(line, atMs));
  else entry.transitions = lines.map((line) => decodeTransition(line, atMs));
  return entry;
};

const decodeTransition = (line: string, atMs: number): StreamedTransition => {
  // The last one is missing in most lines.
  const [taskId, seq, status, attempt, ownerId, queue, type, workerId, runAt, data, trace] = fieldsOf(line, 11);
  return {
    taskId,
    seq: Number(seq),
    status,
    attempt: Number(attempt),
    ownerId,
    queue,
    type,
    workerId,
    runAtMs: runAt === '' ? undefined : Number(runAt),
    data,
    atMs,
    traceparent: trace,
  };
};

const decodeProgress = (line: string): StreamedProgress => {
  const [taskId, ownerId, attempt, percent, detail] = fieldsOf(line, 5);
  return { taskId, ownerId, attempt: Number(attempt), percent: Number(percent), detail };
};

const decodeLogLine = (line: string, atMs: number): StreamedLogLine => {
  const [taskId, ownerId, attempt, seq, number, record] = fieldsOf(line, 6);
  return {
    taskId,
    ownerId,
    attempt: Number(attempt),
    claimedAtSeq: Number(seq),
    number: Number(number),
    record,
    atMs,
  };
};

/** What stands before the payload in a task's body in Redis. The fields hold no tabs: their forms are checked at submission. */
export const encodeHead = (task: {
  queue: string;
  priority: string;
  ownerId: string;
  maxAttempts: number;
  timeoutMs: number | null | undefined;
  type: string;
  backoff?: string | null | undefined;
  traceparent?: string | null | undefined;
}): string =>
  `${task.queue}\t${task.priority}\t${task.ownerId}\t${task.maxAttempts}\t${task.timeoutMs ?? ''}\t${task.type}${
    task.traceparent ? `\t${task.backoff ?? ''}\t${task.traceparent}` : task.backoff ? `\t${task.backoff}` : ''
  }`;
