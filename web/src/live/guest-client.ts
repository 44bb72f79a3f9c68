import { Client, fetchExchange } from '@urql/core';
import { currentSession } from '../session/session.ts';

const fetchOptions = (): RequestInit => {
  const token = currentSession()?.token;
  return token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
};

/** How operations go by HTTP. */
export const HTTP = {
  url: '/graphql',
  fetchOptions,
  preferGetMethod: false,
  // One answer to an ordinary POST: the api has a quick way for these.
  fetchSubscriptions: false,
} as const;

/** For signing up and logging in. */
export const guestClient = new Client({ ...HTTP, exchanges: [fetchExchange] });
