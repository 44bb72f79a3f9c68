import { useEffect } from 'react';
import { runsOutAt } from './due-times.tsx';

interface Timed {
  nextRuns: readonly string[];
}

/** Asks again when so many due times have passed that too few of the known ones are left to be shown. */
export const useKnownTimes = (schedules: readonly Timed[], refresh: () => void): void => {
  const nextMs = Math.min(...schedules.map(({ nextRuns }) => runsOutAt(nextRuns) ?? Number.POSITIVE_INFINITY));
  useEffect(() => {
    // Timers cannot be longer than 24.8 days. Nobody looks that long.
    if (nextMs - Date.now() > LONGEST_MS) return;
    const timer = setTimeout(refresh, Math.max(nextMs - Date.now(), SHORTEST_MS));
    return () => clearTimeout(timer);
  }, [nextMs, refresh]);
};

const LONGEST_MS = 24 * 86_400_000;
/** Where the clock of the browser is ahead. */
const SHORTEST_MS = 10_000;
