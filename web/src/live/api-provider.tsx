import type { Client } from '@urql/core';
import { createContext, type ReactNode, use, useEffect, useState } from 'react';
import { Provider } from 'urql';
import { type ApiClient, openApiClient } from './api-client.ts';

const UncachedContext = createContext<Client | undefined>(undefined);

/** For what a page keeps by itself, as the rows of a long list: see `ApiClient.uncached`. */
export const useUncachedClient = (): Client => {
  const client = use(UncachedContext);
  if (!client) throw new Error('there is no ApiProvider');
  return client;
};

/** Gives pages the client of one login; render it with the user's id as its `key`, so that each has a cache of their own. */
export const ApiProvider = ({ children }: { children: ReactNode }) => {
  const [api, setApi] = useState<ApiClient>();
  useEffect(() => {
    const opened = openApiClient();
    setApi(opened);
    return () => opened.close();
  }, []);
  return (
    api && (
      <UncachedContext value={api.uncached}>
        <Provider value={api.client}>{children}</Provider>
      </UncachedContext>
    )
  );
};
