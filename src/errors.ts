/**
 * Every error code that clients may meet, with what it means. Clients rely on the codes, not on the messages.
 * docs/errors.md holds the same table, and a test compares the two.
 */
export const ERROR_CODES = {
  UNAUTHENTICATED: 'No credentials, or credentials that are wrong, expired or revoked.',
  FORBIDDEN: 'The credentials do not allow this, or who logs in is locked.',
  NOT_FOUND: 'There is no such thing, or it belongs to somebody else.',
  BAD_USER_INPUT: 'The input breaks a rule; `field` names it and `limit` gives the bound, where there is one.',
  CONFLICT: 'The input contradicts what is there already.',
  RATE_LIMITED:
    'Too many requests, wrong passwords or subscriptions; `retryAfter` says after how many seconds to try again.',
  PAYLOAD_TOO_LARGE: 'The payload is larger than `limit` bytes.',
  UNAVAILABLE: 'A part that this needs cannot be reached now; trying again later is safe.',
  SLOW_CONSUMER: 'The subscriber reads too slowly and was cut off; resume from the last position seen.',
  INTERNAL: 'A fault of ours; `errorId` names its entry in the log.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What may stand beside the code in `extensions`. */
export interface ErrorDetails {
  /** The input field that is at fault, as a path: `inputs.3.payload`. */
  field?: string;
  /** The bound that was passed, in the unit that the message names. */
  limit?: number;
  /** Seconds until trying again makes sense. */
  retryAfter?: number;
}

/** An error that a client is meant to see. Anything else that is thrown reaches clients as INTERNAL, without its message. */
export class TaskFlowError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TaskFlowError';
    this.code = code;
    this.details = details;
  }
}

export const badInput = (field: string, message: string, limit?: number): TaskFlowError =>
  new TaskFlowError('BAD_USER_INPUT', message, limit === undefined ? { field } : { field, limit });
