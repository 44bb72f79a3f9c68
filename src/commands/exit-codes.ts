/** How the command line ends, for scripts. docs/command-line.md holds the same table, and a test compares the two. */
export const EXIT_CODES = {
  DONE: [0, 'All went well.'],
  FAULT: [1, 'A fault of TaskFlow, or something that no other number says.'],
  USAGE: [2, 'The command or its input is wrong: nothing was done.'],
  NOT_ALLOWED: [3, 'Not logged in, the credentials are wrong or have expired, or they do not allow this.'],
  NOT_FOUND: [4, 'There is no such thing, or it belongs to somebody else.'],
  CONFLICT: [5, 'It contradicts what is there, as cancelling a task that has ended.'],
  LATER: [6, 'Too many requests: the message says when to try again.'],
  UNAVAILABLE: [7, 'The API, or something behind it, cannot be reached now; trying again is safe.'],
  TASK_FAILED: [8, 'The task that was watched ended as FAILED or CANCELLED.'],
  PARTLY: [9, 'Only a part was done: lines were refused, an operation ended early, or `doctor` found faults.'],
  INTERRUPTED: [130, 'Ctrl-C, before it was done.'],
  CUT_OFF: [141, 'Whatever read its output stopped reading, as `head` does.'],
} as const satisfies Record<string, readonly [code: number, meaning: string]>;

export type ExitName = keyof typeof EXIT_CODES;

export const exitCode = (name: ExitName): number => EXIT_CODES[name][0];

/** Ends the command with a message, and with one of the codes above. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly exit: ExitName;
  /** What to do next, in one line. */
  readonly advice: string | undefined;

  constructor(exit: ExitName, message: string, advice?: string) {
    super(message);
    this.exit = exit;
    this.advice = advice;
  }
}

/** The arguments are wrong. */
export const usageError = (message: string, advice?: string): CommandError =>
  new CommandError('USAGE', message, advice);
