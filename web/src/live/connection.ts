import { useSyncExternalStore } from 'react';

/** How the one socket to the API stands. */
export type Connection =
  | { status: 'connecting' }
  | { status: 'live' }
  /** It was cut, or the API cannot be reached; it is tried again then, in ms since 1970. */
  | { status: 'lost'; sinceMs: number; retryAtMs: number | undefined };

let connection: Connection = { status: 'connecting' };
const listeners = new Set<() => void>();

export const currentConnection = (): Connection => connection;

export const setConnection = (next: Connection): void => {
  connection = next;
  for (const listener of listeners) listener();
};

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useConnection = (): Connection => useSyncExternalStore(subscribe, currentConnection);
