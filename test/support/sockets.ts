import { once } from 'node:events';
import { type Client, createClient, type FormattedExecutionResult } from 'graphql-ws';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { GraphQLServer } from '../../src/server/graphql-server.ts';
import { waitFor } from './setup.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into results whose form the query decides.
type Result = FormattedExecutionResult<any>;

/** The results of one subscription, in order; none is missed, however late it is asked for. */
export interface Watch extends AsyncDisposable {
  /** The next result; undefined after the last. @throws what ended the subscription */
  next(): Promise<Result | undefined>;
  /** The next `count` values of the only field. */
  take(count: number): Promise<Result['data'][]>;
  /** All values of the only field until the server says that there are no more. */
  rest(): Promise<Result['data'][]>;
  stop(): Promise<void>;
}

const onlyValue = ({ data, errors }: Result): Result['data'] => {
  if (errors || !data) throw new Error(`expected data, not ${JSON.stringify(errors)}`);
  return Object.values(data)[0];
};

const toWatch = (results: AsyncIterator<Result>): Watch => {
  const next = async (): Promise<Result | undefined> => {
    const { value, done } = await results.next();
    return done ? undefined : value;
  };
  const rest = async (limit = Number.POSITIVE_INFINITY): Promise<Result['data'][]> => {
    const values: Result['data'][] = [];
    while (values.length < limit) {
      const result = await next();
      if (!result) break;
      values.push(onlyValue(result));
    }
    return values;
  };
  const take = async (count: number): Promise<Result['data'][]> => {
    const values = await rest(count);
    if (values.length < count) throw new Error(`ended after ${values.length} of ${count}: ${JSON.stringify(values)}`);
    return values;
  };
  const stop = async (): Promise<void> => void (await results.return?.());
  return { next, take, rest: () => rest(), stop, [Symbol.asyncDispose]: stop };
};

/** Subscribes without a socket, through the same engine. @throws GraphQL errors, when it does not begin */
export const subscribe = async (
  yoga: GraphQLServer,
  headers: Record<string, string>,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Watch> => {
  const { authorization, 'x-api-key': apiKey } = headers;
  const {
    schema,
    parse,
    contextFactory,
    subscribe: start,
  } = yoga.getEnveloped({ credentials: { authorization, apiKey } });
  const results = (await start({
    schema,
    document: parse(query),
    variableValues: variables,
    contextValue: await contextFactory(),
  })) as AsyncIterableIterator<Result> | Result;
  if (!(Symbol.asyncIterator in results))
    throw Object.assign(new Error('the subscription did not begin'), { errors: results.errors });
  const watch = toWatch(results[Symbol.asyncIterator]());
  onTestFinished(() => watch.stop());
  return watch;
};

/** A client with a real socket. It is closed at the end of the test. */
export const connect = (
  url: string,
  connectionParams: Record<string, unknown>,
  more: Partial<Parameters<typeof createClient>[0]> = {},
): Client => {
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 0,
    ...more,
  });
  onTestFinished(() => client.dispose());
  return client;
};

/** Subscribes over a socket. */
export const watch = (client: Client, query: string, variables: Record<string, unknown> = {}): Watch =>
  toWatch(client.iterate({ query, variables }));

export interface RawMessage {
  type: string;
  id?: string;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  payload?: any;
}

/**
 * A socket that speaks graphql-transport-ws by hand and keeps every message. It is cut at the end of the test.
 *
 * @param params of its connection_init. Default: it sends none
 */
export const openRaw = async (url: string, params?: Record<string, unknown>) => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  const messages: RawMessage[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  socket.on('error', () => {});
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await once(socket, 'open');
  const send = (message: object): void => socket.send(JSON.stringify(message));
  if (params) send({ type: 'connection_init', payload: params });
  const start = (id: string, query: string, variables?: Record<string, unknown>): void =>
    send({ type: 'subscribe', id, payload: { query, variables } });
  /** The first message of this type, and of this operation if it is named. */
  const until = (type: string, id?: string): Promise<RawMessage> =>
    waitFor(() => messages.find((message) => message.type === type && (id === undefined || message.id === id)), {
      what: `a message "${type}"`,
    });
  return { socket, messages, closed, send, start, until };
};
