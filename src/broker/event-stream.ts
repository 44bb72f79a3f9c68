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
}

/** Position of an entry in a stream, "<ms>-<n>". */
export type EntryId = string;

export interface StreamEntry {
  id: EntryId;
  transitions: StreamedTransition[];
}

/** @param fields name, value, name, value … of one stream entry */
export const decodeEntry = (id: EntryId, fields: readonly string[]): StreamEntry => {
  const atMs = Number(fields[1]);
  const transitions = (fields[3] ?? '').split('\n').map((line): StreamedTransition => {
    const [taskId, seq, status, attempt, ownerId, queue, type, workerId, runAt, data] = line.split('\t') as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
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
    };
  });
  return { id, transitions };
};

/** What stands before the payload in a task's body in Redis. The fields hold no tabs: their forms are checked at submission. */
export const encodeHead = (task: {
  queue: string;
  priority: string;
  ownerId: string;
  maxAttempts: number;
  timeoutMs: number | null | undefined;
  type: string;
}): string =>
  `${task.queue}\t${task.priority}\t${task.ownerId}\t${task.maxAttempts}\t${task.timeoutMs ?? ''}\t${task.type}`;
