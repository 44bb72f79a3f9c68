/** An error as it is logged: what programs need to know of it, and nothing that users sent or that opens a door. */
export interface LoggedError {
  type: string;
  message: string;
  /** Of Node, of Prisma, or a SQLSTATE of PostgreSQL. */
  code?: string;
  /** Where it came from, without the message. */
  stack?: string;
  cause?: LoggedError;
  /** Of which it is made up. */
  errors?: LoggedError[];
}

const MAX_MESSAGE_LENGTH = 500;
const MAX_DEPTH = 4;
const MAX_ERRORS = 10;

/** SQLSTATEs of data that PostgreSQL refuses: their messages quote it. */
const DATA_STATES = /^2[23]/;
/** From here on, messages quote what somebody sent: Redis the arguments of a command, Node those of a call, GraphQL variables. */
const QUOTES = [', with args beginning with', ' Received ', ' got invalid value '];

/**
 * As the serializer of errors in logs. Drivers hang the arguments of a command on the errors that they throw (ioredis: payloads,
 * results, passwords), and quote them in messages (PostgreSQL, JSON.parse); none of that is passed on.
 *
 * @param error whatever was thrown
 */
export const describeError = (error: unknown, depth = 0): LoggedError => {
  if (!(error instanceof Error)) return { type: typeof error, message: 'what was thrown is no Error' };
  const described: LoggedError = { type: error.constructor.name || error.name, message: messageOf(error) };
  const code = codeOf(error);
  if (code !== undefined) described.code = code;
  const frames = framesOf(error);
  if (frames !== '') described.stack = frames;
  if (depth >= MAX_DEPTH) return described;
  if (error.cause !== undefined) described.cause = describeError(error.cause, depth + 1);
  if (error instanceof AggregateError)
    described.errors = error.errors.slice(0, MAX_ERRORS).map((each) => describeError(each, depth + 1));
  return described;
};

/** The message of an error without what others sent. */
export const messageOf = (error: Error): string => {
  const text = withoutQuotes(error, withoutInvocation(error));
  return maskCredentials(text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH)}…` : text);
};

/** For a line of text: type, message and where it came from. */
export const describeErrorInText = (error: unknown): string => {
  const { type, message, stack } = describeError(error);
  return [`${type}: ${message}`, ...(stack === undefined ? [] : [stack])].join('\n');
};

/** Prisma shows the call with its arguments first, and says in the last line what was wrong. */
const withoutInvocation = ({ name, message }: Error): string =>
  name.startsWith('PrismaClient') ? (message.trimEnd().split('\n').at(-1) ?? '') : message;

const withoutQuotes = (error: Error, message: string): string => {
  const state = sqlStateOf(error);
  if (state !== undefined && DATA_STATES.test(state)) return `PostgreSQL refused the data (${state})`;
  if (error instanceof SyntaxError) return cut(message, message.search(/["'`]/));
  for (const quote of QUOTES) if (message.includes(quote)) return cut(message, message.indexOf(quote));
  return message;
};

const cut = (message: string, at: number): string => (at < 0 ? message : `${message.slice(0, at).trimEnd()} …`);

/** As `postgresql://user:password@host/name` has them. */
const maskCredentials = (text: string): string => text.replace(/:\/\/[^\s/@]*@/g, '://***@');

/** Prisma wraps what PostgreSQL said: "Raw query failed. Code: `22P02`. Message: …". */
const sqlStateOf = (error: Error): string | undefined => {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  if (severity !== undefined && typeof code === 'string') return code;
  return error.name.startsWith('PrismaClient') ? /Code: `([0-9A-Z]{5})`/.exec(error.message)?.[1] : undefined;
};

const codeOf = (error: Error): string | undefined => {
  const code = sqlStateOf(error) ?? (error as { code?: unknown }).code;
  return typeof code === 'string' || typeof code === 'number' ? String(code).slice(0, 100) : undefined;
};

const framesOf = ({ stack = '' }: Error): string =>
  stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
