import { useSyncExternalStore } from 'react';

/** One clock for all times on the page; it stands while none is shown. */
let nowMs = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  timer ??= setInterval(() => {
    nowMs = Date.now();
    for (const each of listeners) each();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
};

/** The time in ms, to the second. */
export const useNow = (): number => useSyncExternalStore(subscribe, snapshot);

const snapshot = (): number => {
  // While nobody listens it stands; whoever is drawn first gets the time of this moment.
  if (listeners.size === 0) nowMs = Date.now();
  return nowMs;
};

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;
const inWords = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'narrow' });
const exactly = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** "12s ago", "in 3h". */
const relativeTime = (atMs: number, now: number): string => {
  const seconds = Math.round((atMs - now) / 1_000);
  if (Math.abs(seconds) < 1) return 'now';
  const [unit, size] = UNITS.find(([, least]) => Math.abs(seconds) >= least) ?? (['second', 1] as const);
  return inWords.format(Math.trunc(seconds / size), unit);
};

/** In the time zone of the browser. */
export const exactTime = (at: string): string => exactly.format(new Date(at));

/** How long ago, or in how long; the exact time when pointed at. It goes on by itself. */
export const RelativeTime = ({ at }: { at: string }) => (
  <time dateTime={at} title={exactTime(at)}>
    {relativeTime(Date.parse(at), useNow())}
  </time>
);

/** "3 ms", "1.2 s", "4 min 10 s", "2 h 5 min". */
export const duration = (ms: number): string => {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

/** How long something took; with no end, how long it has gone on. */
export const Duration = ({ from, to }: { from: string; to?: string | null }) =>
  to ? between(from, Date.parse(to)) : <RunningDuration from={from} />;

const RunningDuration = ({ from }: { from: string }) => between(from, useNow());

const between = (from: string, toMs: number): string => duration(Math.max(toMs - Date.parse(from), 0));
