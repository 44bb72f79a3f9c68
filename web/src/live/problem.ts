import type { CombinedError } from '@urql/core';

/** What went wrong, in words that help: for `ErrorState`, forms and toasts. */
export interface Problem {
  /** Of docs/errors.md; OFFLINE when nobody answered. */
  code: string;
  message: string;
  /** What to do about it, where there is something. */
  help: string | undefined;
  /** The input that is at fault: "input.email". */
  field: string | undefined;
}

const HELP: Record<string, string> = {
  OFFLINE: 'Check the network, and that the api runs. This page goes on by itself when it is back.',
  UNAUTHENTICATED: 'Log in again.',
  FORBIDDEN: 'Ask an admin, or log in as somebody who may do this.',
  NOT_FOUND: 'It may have been deleted, or belong to somebody else.',
  CONFLICT: 'It was changed meanwhile. Look at it again, then repeat what you wanted.',
  PAYLOAD_TOO_LARGE: 'Put large data into a file or a store, and submit its address.',
  UNAVAILABLE: 'A part that this needs cannot be reached now. Trying again is safe.',
  SLOW_CONSUMER: 'Too much came at once. Narrow the filter.',
  INTERNAL: 'This is a fault of the server. Its log has the details.',
};

export const codeOf = (error: CombinedError): string | undefined =>
  error.graphQLErrors[0]?.extensions.code as string | undefined;

/** @param error as urql gives it */
export const problemOf = (error: CombinedError): Problem => {
  const [fault] = error.graphQLErrors;
  if (!fault) return { code: 'OFFLINE', message: 'The api did not answer.', help: HELP.OFFLINE, field: undefined };
  const { code = 'INTERNAL', field, retryAfter, errorId } = fault.extensions as Partial<Record<string, string>>;
  const help = retryAfter === undefined ? HELP[code] : `Try again in ${inWords(Number(retryAfter))}.`;
  return { code, message: withId(fault.message, errorId), help, field };
};

/** The field of a form that is at fault: "tags" for "input.tags.0". */
export const fieldOf = ({ field }: Problem): string | undefined => field?.replace(/^input\./, '').split('.')[0];

/** What is wrong with a field, if it is that one: "input.password: must have …" reads "Must have …" below its field. */
export const fieldMessage = (problem: Problem | undefined, name: string): string | undefined => {
  if (!problem || fieldOf(problem) !== name) return undefined;
  const text = problem.message.replace(/^input\./, '').replace(`${name}: `, '');
  return text.charAt(0).toUpperCase() + text.slice(1);
};

const withId = (message: string, errorId: string | undefined): string =>
  errorId === undefined ? message : `${message} (${errorId})`;

const inWords = (seconds: number): string =>
  seconds < 120 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
