import type { AnyVariables } from '@urql/core';
import { useCallback, useEffect, useRef } from 'react';
import { type UseQueryArgs, useQuery } from 'urql';
import { useConnection } from './connection.ts';

/**
 * For what has no subscription: asks when the page opens, when somebody comes back to it, and when a cut connection is there
 * again. What is known already shows meanwhile.
 *
 * @returns what is known, and what asks again, as after a mutation that changes a list
 */
export const useFreshQuery = <Data, Variables extends AnyVariables>(args: UseQueryArgs<Variables, Data>) => {
  const [state, ask] = useQuery({ requestPolicy: 'cache-and-network', ...args });
  const refresh = useCallback(() => ask({ requestPolicy: 'network-only' }), [ask]);
  const isLost = useConnection().status === 'lost';
  const wasLost = useRef(isLost);
  useEffect(() => {
    if (wasLost.current && !isLost) refresh();
    wasLost.current = isLost;
  }, [isLost, refresh]);
  useEffect(() => {
    const onShow = (): void => {
      if (document.visibilityState === 'visible') refresh();
    };
    // Of another tab, and of another window beside this one.
    document.addEventListener('visibilitychange', onShow);
    window.addEventListener('focus', onShow);
    return () => {
      document.removeEventListener('visibilitychange', onShow);
      window.removeEventListener('focus', onShow);
    };
  }, [refresh]);
  return [state, refresh] as const;
};
