import { useSyncExternalStore } from 'react';
import type { SessionPartsFragment } from './session.generated.ts';

/** Somebody's login in this browser, in all of its tabs. */
export interface Session extends SessionPartsFragment {
  /** When a further token is asked for, in ms since 1970. */
  renewAtMs: number;
}

/** Why there is no session any more; the log-in page says so. */
export type EndReason = 'logged-out' | 'ended';

const KEY = 'taskflow.session';
/** After which share of its life a token is renewed. */
const RENEW_AFTER = 0.6;

const listeners = new Set<() => void>();
let text: string | null = null;
let session: Session | undefined;
let endReason: EndReason | undefined;

/** The session of this moment; undefined without one, and after it has expired. */
export const currentSession = (): Session | undefined => {
  const stored = localStorage.getItem(KEY);
  // The same object for the same text, so that components can compare.
  if (stored !== text) {
    text = stored;
    session = parse(stored);
  }
  return session && Date.parse(session.expiresAt) > Date.now() ? session : undefined;
};

/** Keeps what signUp, login or renewSession answered. Other tabs follow. */
export const beginSession = (parts: SessionPartsFragment): void => {
  const now = Date.now();
  const renewAtMs = now + (Date.parse(parts.expiresAt) - now) * RENEW_AFTER;
  endReason = undefined;
  localStorage.setItem(KEY, JSON.stringify({ ...parts, renewAtMs } satisfies Session));
  tell();
};

/** Forgets the token, here and in all other tabs. */
export const endSession = (reason: EndReason): void => {
  if (localStorage.getItem(KEY) === null) return;
  endReason = reason;
  localStorage.removeItem(KEY);
  tell();
};

export const lastEndReason = (): EndReason | undefined => endReason;

/** Calls back whenever the session begins, is renewed or ends, in whatever tab. @returns what ends it */
export const watchSession = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useSession = (): Session | undefined => useSyncExternalStore(watchSession, currentSession);

const tell = (): void => {
  for (const listener of listeners) listener();
};

const parse = (stored: string | null): Session | undefined => {
  try {
    return stored === null ? undefined : (JSON.parse(stored) as Session);
  } catch {
    return undefined;
  }
};

// Of other tabs only. A null key: all was cleared.
window.addEventListener('storage', ({ key }) => {
  if (key === KEY || key === null) tell();
});
