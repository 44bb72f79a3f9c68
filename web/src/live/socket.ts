import { type Client, createClient } from 'graphql-ws';
import { currentSession, endSession } from '../session/session.ts';
import { currentConnection, setConnection } from './connection.ts';

const LONGEST_WAIT_MS = 30_000;
const FIRST_WAIT_MS = 500;
/** How often the server is asked whether it is there, and how long it may take to say so. */
const PING_MS = 10_000;
const PONG_MS = 5_000;
/** Of docs/errors.md: the credentials are wrong, have expired or were revoked. */
const UNAUTHORIZED = 4401;
/** What graphql-ws closes with when it is told to begin anew. */
const TERMINATED = 4499;

let endWait: (() => void) | undefined;

/** Tries to connect at once instead of waiting for the next time. */
export const retryNow = (): void => endWait?.();

/**
 * The one socket of a session. A cut one is opened again for as long as the page is there, and what was subscribed to is
 * subscribed to again. How it stands is told to `useConnection`, until it is closed.
 */
export const openSocket = (): { client: Client; close: () => void } => {
  let isClosed = false;
  let pongTimer: ReturnType<typeof setTimeout> | undefined;
  let shownToken: string | undefined;
  const client = createClient({
    url: `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/graphql`,
    connectionParams: () => {
      shownToken = currentSession()?.token;
      return { authorization: `Bearer ${shownToken}` };
    },
    // Open also while nothing is subscribed to: the page shows whether it is connected.
    lazy: false,
    onNonLazyError: () => {},
    keepAlive: PING_MS,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait: waitForRetry,
    on: {
      connected: () => !isClosed && setConnection({ status: 'live' }),
      ping: (isReceived) => {
        if (!isReceived) pongTimer = setTimeout(() => client.terminate(), PONG_MS);
      },
      pong: (isReceived) => {
        if (isReceived) clearTimeout(pongTimer);
      },
      closed: (event) => {
        clearTimeout(pongTimer);
        if (isClosed) return;
        const { code } = event as CloseEvent;
        if (code === UNAUTHORIZED) onUnauthorized(shownToken);
        else if (code !== TERMINATED) setLost(undefined);
      },
    },
  });
  const close = (): void => {
    isClosed = true;
    setConnection({ status: 'connecting' });
    void client.dispose();
  };
  return { client, close };
};

/** Since when it was lost stays, however often it is tried. */
const setLost = (retryAtMs: number | undefined): void => {
  const before = currentConnection();
  setConnection({ status: 'lost', sinceMs: before.status === 'lost' ? before.sinceMs : Date.now(), retryAtMs });
};

const waitForRetry = async (retries: number): Promise<void> => {
  const longest = Math.min(FIRST_WAIT_MS * 2 ** retries, LONGEST_WAIT_MS);
  // Spread, so that not all pages come back to a restarted server at once.
  const waitMs = longest * (0.5 + Math.random() / 2);
  if (currentConnection().status === 'lost') setLost(Date.now() + waitMs);
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      window.removeEventListener('online', end);
      resolve();
    };
    const timer = setTimeout(end, waitMs);
    window.addEventListener('online', end);
    endWait = end;
  });
};

/** graphql-ws gives up then. With a token that was renewed meanwhile the page begins anew. */
const onUnauthorized = (shownToken: string | undefined): void => {
  const token = currentSession()?.token;
  if (token === undefined || token === shownToken) endSession('ended');
  else location.reload();
};
