import type { AnyVariables, CombinedError, TypedDocumentNode } from '@urql/core';
import { useEffect, useEffectEvent } from 'react';
import { useUncachedClient } from './api-provider.tsx';

interface FeedOptions<Data> {
  onData: (data: Data) => void;
  /** The subscription has ended with it. */
  onError?: (error: CombinedError) => void;
  /** Not yet, or not any more. Default: false. */
  isPaused?: boolean;
}

/**
 * Watches a subscription for a component that keeps what comes by itself, as a table does that takes in many changes at once:
 * the cache does not get it. For the latest value only, urql's `useSubscription` is simpler.
 *
 * @param variables with which it begins; from there on it moves by itself. Other ones begin it anew
 */
export const useFeed = <Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  { onData, onError, isPaused = false }: FeedOptions<Data>,
): void => {
  const client = useUncachedClient();
  const take = useEffectEvent(onData);
  const fail = useEffectEvent((error: CombinedError) => onError?.(error));
  const key = JSON.stringify(variables);
  useEffect(() => {
    if (isPaused) return;
    const { unsubscribe } = client.subscription(document, JSON.parse(key) as Variables).subscribe(({ data, error }) => {
      if (error) fail(error);
      else if (data) take(data);
    });
    return unsubscribe;
  }, [client, document, key, isPaused]);
};
