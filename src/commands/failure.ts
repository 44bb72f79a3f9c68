import { CommanderError } from 'commander';
import { ApiError } from '../client/errors.ts';
import { TaskFlowError } from '../errors.ts';
import { CommandError, type ExitName, exitCode } from './exit-codes.ts';
import { plain, toJsonLine } from './text.ts';

/** What became of a command that failed. */
export interface Failure {
  exit: ExitName;
  /** As the API calls it; for faults that it knows nothing of, the name of the exit code. */
  code: string;
  message: string;
  field?: string | undefined;
  retryAfter?: number | undefined;
  advice?: string | undefined;
}

const EXIT_BY_CODE: Readonly<Record<string, ExitName>> = {
  UNAUTHENTICATED: 'NOT_ALLOWED',
  FORBIDDEN: 'NOT_ALLOWED',
  NOT_FOUND: 'NOT_FOUND',
  BAD_USER_INPUT: 'USAGE',
  PAYLOAD_TOO_LARGE: 'USAGE',
  CONFLICT: 'CONFLICT',
  RATE_LIMITED: 'LATER',
  SLOW_CONSUMER: 'UNAVAILABLE',
  UNAVAILABLE: 'UNAVAILABLE',
};

const ADVICE_BY_CODE: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: 'Log in with `taskflow login`, or set TASKFLOW_API_KEY.',
  FORBIDDEN: '`taskflow whoami` says which credentials are used, `taskflow keys list` what each key allows.',
  NOT_FOUND: '`taskflow tasks`, `flows list`, `schedules list` and `keys list` show what there is.',
  UNAVAILABLE: '`taskflow doctor` looks for the cause; --url or TASKFLOW_URL say where the API is.',
  CONFLICT: '`taskflow show` says where the task stands, `taskflow queues` which queues take no tasks.',
};

/** What to say of an error, and how to end; undefined for one that is a fault of this program. */
export const toFailure = (error: unknown): Failure | undefined => {
  if (error instanceof CommandError) {
    return { exit: error.exit, code: error.exit, message: error.message, advice: error.advice };
  }
  if (error instanceof ApiError) return fromApi(error);
  if (error instanceof TaskFlowError) {
    return { exit: EXIT_BY_CODE[error.code] ?? 'FAULT', code: error.code, message: error.message };
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return { exit: 'INTERRUPTED', code: 'INTERRUPTED', message: 'Interrupted.' };
  }
  return undefined;
};

const fromApi = ({ code, message, field, retryAfter }: ApiError): Failure => ({
  exit: EXIT_BY_CODE[code] ?? 'FAULT',
  code,
  message,
  field,
  retryAfter,
  advice: retryAfter === undefined ? ADVICE_BY_CODE[code] : `Try again in ${retryAfter} s.`,
});

/**
 * Says what is wrong, in a line, and what to do, in another; or both in an object with --json. Commander has already written
 * its own complaints.
 *
 * @returns the exit code
 */
export const report = (error: unknown, asJson: boolean): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCode('USAGE');
  const failure = toFailure(error);
  if (failure === undefined) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    return exitCode('FAULT');
  }
  const { exit, message, advice, ...details } = failure;
  const lines = [...message.split('\n').map(plain), ...(advice ? [advice] : [])];
  if (asJson) process.stderr.write(`${toJsonLine({ error: { ...details, message, advice, exit: exitCode(exit) } })}\n`);
  else process.stderr.write(`${lines.join('\n')}\n`);
  return exitCode(exit);
};

/** Ends the process once everything was written: what waits in a pipe would be lost. */
export const endWith = async (code: number): Promise<never> => {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => stream.write('', () => resolve()));
  }
  process.exit(code);
};
