import { type ReactNode, useEffect, useState } from 'react';
import { Provider } from 'urql';
import { type ApiClient, openApiClient } from './api-client.ts';

/** Gives pages the client of one login; render it with the user's id as its `key`, so that each has a cache of their own. */
export const ApiProvider = ({ children }: { children: ReactNode }) => {
  const [api, setApi] = useState<ApiClient>();
  useEffect(() => {
    const opened = openApiClient();
    setApi(opened);
    return () => opened.close();
  }, []);
  return api && <Provider value={api.client}>{children}</Provider>;
};
