import { Client, fetchExchange, mapExchange, subscriptionExchange } from '@urql/core';
import {
  type CacheExchangeOpts,
  cacheExchange,
  type KeyingConfig,
  type UpdateResolver,
} from '@urql/exchange-graphcache';
import { keepSessionRenewed } from '../session/renewal.ts';
import { currentSession, endSession, watchSession } from '../session/session.ts';
import { HTTP } from './guest-client.ts';
import { codeOf } from './problem.ts';
import { subscribeResumably } from './resume.ts';
import { openSocket } from './socket.ts';

export interface ApiClient {
  client: Client;
  /** The same without the cache, which would keep all of a long list or a stream. */
  uncached: Client;
  /** Ends its subscriptions and closes its socket. */
  close(): void;
}

/**
 * What the pages of somebody logged in ask and watch with. Mutations go by HTTP; queries and subscriptions by one socket, where
 * they do not count as requests of the user: the API has a limit of its own for what is read there. What is asked while the
 * connection is cut is answered when it is back. Its cache knows each task, queue, worker, … by its id: what a subscription brings shows wherever it is on the page.
 */
export const openApiClient = (): ApiClient => {
  const socket = openSocket();
  const watchLogin = mapExchange({ onError: (error) => codeOf(error) === 'UNAUTHENTICATED' && endSession('ended') });
  const reading = subscriptionExchange({
    isSubscriptionOperation: ({ kind }) => kind === 'query' || kind === 'subscription',
    forwardSubscription: ({ query = '', variables }, { kind }) => ({
      subscribe: (sink) => {
        const payload = { query, variables: { ...variables } };
        if (kind === 'query') return { unsubscribe: socket.client.subscribe(payload, sink as never) };
        return { unsubscribe: subscribeResumably(socket.client, payload, sink as never) };
      },
    }),
  });
  const cache = cacheExchange({ keys: KEYS, updates: { Mutation: LIST_UPDATES }, logger: log });
  const client = new Client({ ...HTTP, exchanges: [watchLogin, cache, reading, fetchExchange] });
  const uncached = new Client({ ...HTTP, exchanges: [watchLogin, reading, fetchExchange] });
  const stopRenewing = keepSessionRenewed(client);
  let token = currentSession()?.token;
  const unwatch = watchSession(() => {
    const next = currentSession()?.token;
    if (next === token) return;
    token = next;
    // The server closes a socket when the token expires that it was opened with. Nothing is lost by opening it anew.
    if (next !== undefined) socket.client.terminate();
  });
  return {
    client,
    uncached,
    close: () => {
      unwatch();
      stopRenewing();
      socket.close();
    },
  };
};

type Key = NonNullable<KeyingConfig[string]>;
type Logger = NonNullable<CacheExchangeOpts['logger']>;

const byName: Key = ({ name }) => (typeof name === 'string' ? name : null);
/** How the cache tells things apart that have no `id`. What has neither is a part of what it stands in. */
const KEYS: Record<string, Key> = {
  Queue: byName,
  TaskType: ({ type }) => (typeof type === 'string' ? type : null),
  TaskEvent: ({ taskId, seq }) => (taskId === undefined || seq === undefined ? null : `${taskId}:${seq}`),
};

/** Mutations that change which things a list has: it is asked for again wherever it is on the page. */
const CHANGED_LISTS = {
  createSchedule: 'schedules',
  deleteSchedule: 'schedules',
};

const askAgainFor =
  (list: string): UpdateResolver =>
  (_result, _args, cache) => {
    for (const { fieldName, arguments: page } of cache.inspectFields('Query')) {
      if (fieldName === list) cache.invalidate('Query', fieldName, page);
    }
  };

const LIST_UPDATES = Object.fromEntries(
  Object.entries(CHANGED_LISTS).map(([mutation, list]) => [mutation, askAgainFor(list)]),
);

/** While developing. That something has no key is meant. */
const log: Logger = (severity, message) => {
  if (!message.startsWith('Invalid key')) console[severity](message);
};
