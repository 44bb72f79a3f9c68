/** What an error of the API says in its `extensions`; docs/errors.md lists the codes. */
export interface ApiErrorDetails {
  /** Stable, for programs: UNAUTHENTICATED, BAD_USER_INPUT, … */
  code: string;
  /** The input that is at fault: `inputs.3.payload.file`. */
  field?: string | undefined;
  /** The bound that was passed. */
  limit?: number | undefined;
  /** Seconds until trying again makes sense. */
  retryAfter?: number | undefined;
}

/** The API refused something, or cannot be reached (UNAVAILABLE). */
export class ApiError extends Error implements ApiErrorDetails {
  override name = 'ApiError';
  readonly code: string;
  readonly field: string | undefined;
  readonly limit: number | undefined;
  readonly retryAfter: number | undefined;

  constructor(message: string, { code, field, limit, retryAfter }: ApiErrorDetails, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.field = field;
    this.limit = limit;
    this.retryAfter = retryAfter;
  }
}

/** A task did not end as COMPLETED: `result` rejects with it. */
export class TaskFailedError extends Error {
  override name = 'TaskFailedError';
  readonly taskId: string;
  readonly status: 'FAILED' | 'CANCELLED';
  /** Of the last attempt's error (TIMEOUT, INVALID_PAYLOAD, the handler's own); CANCELLED for a cancelled task. */
  readonly code: string | undefined;
  /** Where the handler failed, on its worker. */
  readonly remoteStack: string | undefined;

  constructor(
    taskId: string,
    status: 'FAILED' | 'CANCELLED',
    error: { message: string; code?: string | null; stack?: string | null } | null,
    cancelReason: string | null,
  ) {
    const cancelled = cancelReason === null ? 'the task was cancelled' : `the task was cancelled: ${cancelReason}`;
    super(status === 'CANCELLED' ? cancelled : (error?.message ?? 'the task failed'));
    this.taskId = taskId;
    this.status = status;
    this.code = status === 'CANCELLED' ? 'CANCELLED' : (error?.code ?? undefined);
    this.remoteStack = error?.stack ?? undefined;
  }
}

interface GraphQLFault {
  message: string;
  extensions?: Record<string, unknown> | undefined;
}

export const isFaults = (value: unknown): value is readonly GraphQLFault[] =>
  Array.isArray(value) && typeof (value[0] as GraphQLFault | undefined)?.message === 'string';

/** The first of an answer's errors. */
export const toApiError = ([first]: readonly GraphQLFault[]): ApiError => {
  const { code, field, limit, retryAfter } = (first?.extensions ?? {}) as Partial<ApiErrorDetails>;
  return new ApiError(first?.message ?? 'the API failed', { code: code ?? 'INTERNAL', field, limit, retryAfter });
};
