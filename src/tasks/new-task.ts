import { z } from 'zod';
import { badInput, TaskFlowError } from '../errors.ts';
import { newId } from '../ids.ts';
import { QUEUE_NAME } from '../queues/queue-name.ts';
import { getTracing } from '../tracing/tracing.ts';
import { type BackoffInput, BackoffSchema, encodeBackoff } from './backoff.ts';
import type { TaskPriority } from './task-state.ts';
import { DEFAULT_MAX_ATTEMPTS, MaxAttemptsSchema, TimeoutMsSchema, type TypeDefaults } from './type-defaults.ts';

/** What a client asks for, with defaults filled in. `payload` is any JSON value; undefined counts as null. */
export interface SubmitInput {
  type: string;
  payload?: unknown;
  queue: string;
  priority: TaskPriority;
  runAt?: Date | null | undefined;
  /** Null: as its type says, else 3. */
  maxAttempts: number | null;
  /** Null: as its type says, else none. */
  timeoutMs?: number | null | undefined;
  /** Null: as its type says. */
  backoff?: BackoffInput | null | undefined;
  idempotencyKey?: string | null | undefined;
  tags?: readonly string[] | null | undefined;
  /** Ids of the tasks that it waits for. Default: it waits for none. */
  dependsOn?: readonly string[] | null | undefined;
  /** What becomes of it when one of them fails or is cancelled. Default: CANCEL. */
  onParentFailure?: ParentFailureAction | null | undefined;
}

/** What becomes of a waiting task when a task that it waits for fails or is cancelled: the same, or nothing. */
export type ParentFailureAction = 'CANCEL' | 'RUN';

/** A task that another one waits for. */
export interface NewParent {
  taskId: string;
  /** In their flow; null outside of one. */
  name: string | null;
}

/** A checked task, ready to be written. */
export interface NewTask {
  id: string;
  ownerId: string;
  type: string;
  queue: string;
  priority: TaskPriority;
  status: 'QUEUED' | 'SCHEDULED' | 'WAITING';
  /** JSON text. */
  payload: string;
  maxAttempts: number;
  timeoutMs: number | null;
  /** As `encodeBackoff` writes it; null: the default. */
  backoff: string | null;
  runAt: Date | null;
  tags: readonly string[];
  idempotencyKey: string | null;
  /** What it waits for; its status is WAITING then. Default: nothing. */
  waitsFor?: readonly NewParent[];
  onParentFailure?: ParentFailureAction;
  /** W3C Trace Context of its submission. Default: that is not traced. */
  traceparent?: string | null;
  /** Do others of the same submission wait for it? Default: no. */
  hasDependents?: boolean;
}

export const TASK_TYPE = /^[A-Za-z0-9._:-]{1,128}$/;
export const MAX_TASKS_AT_ONCE = 10_000;
/** Tasks that one task can wait for. */
export const MAX_PARENTS = 100;
const MAX_TAGS = 20;
const MAX_TAG_LENGTH = 100;
const MAX_KEY_LENGTH = 255;
/** PostgreSQL's text holds no NUL, and halves of surrogate pairs would reach it as U+FFFD. */
const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();
const UNSTORABLE_TEXT = 'must not contain the character NUL or half of a surrogate pair';
/** Years that PostgreSQL and ISO 8601 write alike. */
const isStorableTime = (time: Date): boolean => time.getUTCFullYear() >= 1 && time.getUTCFullYear() <= 9999;

const InputSchema = z.object({
  type: z.string().regex(TASK_TYPE, `must match ${TASK_TYPE.source}`),
  queue: z.string().regex(QUEUE_NAME, `must match ${QUEUE_NAME.source}`),
  maxAttempts: MaxAttemptsSchema.nullable(),
  timeoutMs: TimeoutMsSchema.nullish(),
  backoff: BackoffSchema.nullish(),
  runAt: z.date().refine(isStorableTime, 'must be in the years 1 to 9999').nullish(),
  idempotencyKey: z.string().min(1).max(MAX_KEY_LENGTH).refine(isStorable, UNSTORABLE_TEXT).nullish(),
  tags: z.array(z.string().min(1).max(MAX_TAG_LENGTH).refine(isStorable, UNSTORABLE_TEXT)).max(MAX_TAGS).nullish(),
  dependsOn: z
    .array(z.guid('must be a UUID'))
    .max(MAX_PARENTS)
    .refine((ids) => new Set(ids.map((id) => id.toLowerCase())).size === ids.length, 'must not name a task twice')
    .nullish(),
});

/** Checks a payload against what workers announced for its type. It throws BAD_USER_INPUT. */
export type CheckPayload = (type: string, payload: unknown, path: string) => void;

export interface TaskRules {
  maxPayloadBytes: number;
  /** Gets ready for `checkPayload` of these types, and for `isDraining`. */
  prepare: (types: Iterable<string>) => Promise<void>;
  checkPayload: CheckPayload;
  /** What tasks of a type get where they do not say; undefined where no worker announced any. */
  defaultsOf: (type: string) => TypeDefaults | undefined;
  /** Does this queue take no new tasks? */
  isDraining: (queue: string) => boolean;
}

/**
 * Refuses new tasks of queues that take none.
 *
 * @param fieldOf what names a task's queue in the request: "inputs.3.queue"
 * @throws TaskFlowError CONFLICT
 */
export const refuseDraining = (
  tasks: readonly { queue: string }[],
  fieldOf: (index: number) => string,
  { isDraining }: TaskRules,
): void => {
  const index = tasks.findIndex(({ queue }) => isDraining(queue));
  if (index >= 0) throw draining(tasks[index]?.queue ?? '', fieldOf(index));
};

/** @param field names the queue in the request, where it stands there */
export const draining = (queue: string, field?: string): TaskFlowError =>
  new TaskFlowError(
    'CONFLICT',
    `The queue ${queue} is draining: it takes no new tasks until it is resumed.`,
    field === undefined ? {} : { field },
  );

/** JSON strings that PostgreSQL's jsonb refuses: NUL, and halves of surrogate pairs, which JSON.stringify escapes. */
const UNSTORABLE = /\\u(?:0000|d[89a-f][0-9a-f]{2})/;

/** Does a JSON value hold what jsonb cannot store: NUL, or half of a surrogate pair? */
export const containsUnstorable = (value: unknown): boolean => {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed();
  if (Array.isArray(value)) return value.some(containsUnstorable);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, entry]) => containsUnstorable(key) || containsUnstorable(entry));
};

const payloadText = (payload: unknown, field: string, rules: TaskRules): string => {
  const text = JSON.stringify(payload) ?? 'null';
  // One UTF-16 unit is at most three bytes: short texts need not be measured.
  if (text.length * 3 > rules.maxPayloadBytes && Buffer.byteLength(text) > rules.maxPayloadBytes) {
    const message = `${field} has ${Buffer.byteLength(text)} bytes; at most ${rules.maxPayloadBytes} are allowed.`;
    throw new TaskFlowError('PAYLOAD_TOO_LARGE', message, { field, limit: rules.maxPayloadBytes });
  }
  // The pattern also matches an escaped backslash before "u0000": only then is it worth looking at each value.
  if (UNSTORABLE.test(text) && containsUnstorable(payload)) {
    throw badInput(field, `${field} contains the character NUL or half of a surrogate pair, which cannot be stored.`);
  }
  return text;
};

const checkedPayload = (payload: unknown, field: string, rules: TaskRules): string => {
  try {
    return payloadText(payload, field, rules);
  } catch (error) {
    // The stack ends after a few thousand levels; PostgreSQL's would after 20,000.
    if (error instanceof RangeError) throw badInput(field, `${field} is nested too deeply.`);
    throw error;
  }
};

/**
 * Checks one input and gives it an id.
 *
 * @param path where the input stands in the request, for errors: "input", or "inputs.3"
 * @throws TaskFlowError BAD_USER_INPUT or PAYLOAD_TOO_LARGE, which names the field
 */
export const toNewTask = (ownerId: string, input: SubmitInput, path: string, rules: TaskRules): NewTask => {
  const checked = InputSchema.safeParse(input);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const field = [path, ...(issue?.path ?? [])].join('.');
    const limit = issue && 'maximum' in issue ? Number(issue.maximum) : undefined;
    throw badInput(field, `${field}: ${issue?.message}`, limit);
  }
  const payload = checkedPayload(input.payload, `${path}.payload`, rules);
  rules.checkPayload(input.type, input.payload ?? null, path);
  const defaults = rules.defaultsOf(input.type);
  return {
    id: newId(),
    ownerId,
    type: input.type,
    queue: input.queue,
    priority: input.priority,
    status: input.runAt && input.runAt.getTime() > Date.now() ? 'SCHEDULED' : 'QUEUED',
    payload,
    maxAttempts: input.maxAttempts ?? defaults?.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    timeoutMs: input.timeoutMs ?? defaults?.timeoutMs ?? null,
    backoff: input.backoff ? encodeBackoff(input.backoff) : (defaults?.backoff ?? null),
    runAt: input.runAt ?? null,
    tags: input.tags ?? [],
    idempotencyKey: input.idempotencyKey ?? null,
    traceparent: getTracing()?.activeTraceparent() ?? null,
    ...waitingFor(input),
  };
};

const waitingFor = ({ dependsOn, onParentFailure }: SubmitInput): Partial<NewTask> =>
  dependsOn && dependsOn.length > 0
    ? {
        status: 'WAITING',
        waitsFor: dependsOn.map((id) => ({ taskId: id.toLowerCase(), name: null })),
        onParentFailure: onParentFailure ?? 'CANCEL',
      }
    : {};
