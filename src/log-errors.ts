import { isOutage } from './outages.ts';
import { sqlState } from './sql-state.ts';

/** An error as it is logged: what programs need to know of it, and nothing that users sent or that opens a door. */
export interface LoggedError {
  type: string;
  message: string;
  /** Of Node, of Prisma, or a SQLSTATE of PostgreSQL. */
  code?: string;
  /** Where it came from, without the message. Not of an outage, which can come from anywhere, over and over. */
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
export const describeError = (error: unknown): LoggedError => describe(error, 0, true);

const describe = (error: unknown, depth: number, withStacks: boolean): LoggedError => {
  if (!(error instanceof Error)) return { type: typeof error, message: 'what was thrown is no Error' };
  const described: LoggedError = { type: error.constructor.name || error.name, message: messageOf(error) };
  const code = codeOf(error);
  if (code !== undefined) described.code = code;
  const hasStack = withStacks && !isOutage(error);
  const frames = hasStack ? framesOf(error) : '';
  if (frames !== '') described.stack = frames;
  if (depth >= MAX_DEPTH) return described;
  const describeInner = (inner: unknown): LoggedError => describe(inner, depth + 1, hasStack);
  if (error.cause !== undefined) described.cause = describeInner(error.cause);
  if (error instanceof AggregateError) described.errors = error.errors.slice(0, MAX_ERRORS).map(describeInner);
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
  const state = sqlState(error);
  if (state !== undefined && DATA_STATES.test(state)) return `PostgreSQL refused the data (${state})`;
  if (error instanceof SyntaxError) return cut(message, message.search(/["'`]/));
  for (const quote of QUOTES) if (message.includes(quote)) return cut(message, message.indexOf(quote));
  return message;
};

const cut = (message: string, at: number): string => (at < 0 ? message : `${message.slice(0, at).trimEnd()} …`);

/** As `postgresql://user:password@host/name` has them. */
const maskCredentials = (text: string): string => text.replace(/:\/\/[^\s/@]*@/g, '://***@');

const codeOf = (error: Error): string | undefined => {
  const code = sqlState(error) ?? (error as { code?: unknown }).code;
  return typeof code === 'string' || typeof code === 'number' ? String(code).slice(0, 100) : undefined;
};

const framesOf = ({ stack = '' }: Error): string =>
  stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
