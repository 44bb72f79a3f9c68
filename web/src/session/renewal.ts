import type { Client } from '@urql/core';
import { RenewSessionDocument } from './session.generated.ts';
import { beginSession, currentSession, endSession, watchSession } from './session.ts';

/** When nobody answers. */
const RETRY_MS = 30_000;
/** Timers cannot be longer than 24.8 days, and a machine that slept wakes up with those that are late. */
const LONGEST_MS = 3_600_000;

/**
 * Renews the token of the session before it expires, for as long as the API allows; then the session ends. Of several tabs
 * one does it, where the browser has locks (over https and on localhost).
 *
 * @returns what stops it
 */
export const keepSessionRenewed = (client: Client): (() => void) => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let notBeforeMs = 0;
  const plan = (): void => {
    clearTimeout(timer);
    const session = currentSession();
    // An expired one ends when it is looked at next; this is what looks.
    if (!session) {
      endSession('ended');
      return;
    }
    const dueMs = Math.max(Math.min(session.renewAtMs, Date.parse(session.expiresAt)), notBeforeMs);
    timer = setTimeout(() => void renewIfDue(), Math.min(Math.max(dueMs - Date.now(), 0), LONGEST_MS));
  };
  const renewIfDue = async (): Promise<void> => {
    await inOneTab(async () => {
      const session = currentSession();
      if (!session || session.renewAtMs > Date.now()) return;
      const { data } = await client.mutation(RenewSessionDocument, {}).toPromise();
      if (data) beginSession(data.renewSession);
      else notBeforeMs = Date.now() + RETRY_MS;
    });
    plan();
  };
  const onShow = (): void => {
    if (document.visibilityState === 'visible') plan();
  };
  const unwatch = watchSession(plan);
  document.addEventListener('visibilitychange', onShow);
  plan();
  return () => {
    clearTimeout(timer);
    unwatch();
    document.removeEventListener('visibilitychange', onShow);
  };
};

const inOneTab = (renew: () => Promise<void>): Promise<unknown> =>
  'locks' in navigator ? navigator.locks.request('taskflow.renewal', renew) : renew();
