import { goodbye, heartbeat } from '../broker/calls.ts';
import type { Broker } from '../broker/lanes.ts';
import { badInput } from '../errors.ts';
import { type BackoffInput, BackoffSchema, encodeBackoff } from '../tasks/backoff.ts';
import { checkServed, checkWorkerId } from './claim-tasks.ts';

/** A task type that a worker can run, as it announces it. */
export interface AnnouncedType {
  type: string;
  /** JSON Schema of its payload. Default: any will do. */
  payloadSchema?: unknown;
  /** Of tasks that do not say, in ms. */
  timeoutMs?: number | null | undefined;
  /** Of tasks that do not say. */
  backoff?: BackoffInput | null | undefined;
}

/** What a worker without Redis says of itself. */
export interface WorkerAnnouncement {
  workerId: string;
  language: string;
  host: string;
  version?: string | null | undefined;
  /** "*" for all. */
  queues: readonly string[];
  concurrency: number;
  /** Tasks that it runs now. */
  running: number;
  types: readonly AnnouncedType[];
}

export interface AnnounceServices {
  broker: Broker;
  /** How long a worker is listed after it last said that it lives, in ms. */
  workerTtlMs: number;
}

const MAX_TEXT_LENGTH = 200;
/** Of one type's schema, as JSON. */
const MAX_SCHEMA_LENGTH = 65_536;
const MAX_TIMEOUT_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Lists a worker, and announces the task types that it runs. To be called at its start, and every
 * HEARTBEAT_INTERVAL_SECONDS: after three of these it is listed no more.
 *
 * @throws TaskFlowError BAD_USER_INPUT; what ioredis throws when neither lane can be reached
 */
export const announceWorker = async (
  { broker, workerTtlMs }: AnnounceServices,
  worker: WorkerAnnouncement,
): Promise<void> => {
  const workerId = checkWorkerId(worker.workerId, 'input.workerId');
  const types = worker.types.map(({ type }) => type);
  checkServed({ queues: worker.queues, types }, 'input');
  for (const field of ['language', 'host', 'version'] as const) checkText(`input.${field}`, worker[field] ?? '');
  const { language, host, version, queues, concurrency, running } = worker;
  const description = JSON.stringify({
    language,
    host,
    version: version ?? undefined,
    queues,
    concurrency,
    running,
    types,
  });
  const items = worker.types.map(toItem);
  await onLanes(broker, (shard) => heartbeat(shard, { worker: workerId, description, ttlMs: workerTtlMs }, items));
};

/** Takes a worker off the list. @throws TaskFlowError BAD_USER_INPUT */
export const dismissWorker = async (broker: Broker, workerId: string): Promise<void> => {
  checkWorkerId(workerId, 'workerId');
  await onLanes(broker, (shard) => goodbye(shard, { worker: workerId }));
};

/** Workers are known to the first shard of each lane. One lane that is away does not matter. */
const onLanes = async (broker: Broker, call: (shard: Broker['shards'][number]) => Promise<void>): Promise<void> => {
  const outcomes = await Promise.allSettled(broker.lanes.flatMap(({ shards }) => shards.slice(0, 1).map(call)));
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
  if (failed.length === outcomes.length) throw failed[0]?.reason;
};

const toItem = ({ type, payloadSchema, timeoutMs, backoff }: AnnouncedType, index: number) => {
  const field = `input.types.${index}`;
  const schema = JSON.stringify(payloadSchema ?? null);
  if (schema.length > MAX_SCHEMA_LENGTH) {
    throw badInput(`${field}.payloadSchema`, `${field}.payloadSchema is too long.`, MAX_SCHEMA_LENGTH);
  }
  if (timeoutMs && (timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS)) {
    throw badInput(`${field}.timeoutMs`, `${field}.timeoutMs must be 1 to ${MAX_TIMEOUT_MS}.`, MAX_TIMEOUT_MS);
  }
  const checked = backoff ? BackoffSchema.safeParse(backoff) : undefined;
  if (checked?.error) throw badInput(`${field}.backoff`, `${field}.backoff: ${checked.error.issues[0]?.message}`);
  const defaults = JSON.stringify({
    timeoutMs: timeoutMs ?? undefined,
    backoff: backoff ? encodeBackoff(backoff) : undefined,
  });
  return { type, payloadSchema: schema, defaults };
};

const checkText = (field: string, text: string): void => {
  if (text.length > MAX_TEXT_LENGTH) {
    throw badInput(field, `${field} must have at most ${MAX_TEXT_LENGTH} characters.`, MAX_TEXT_LENGTH);
  }
};
