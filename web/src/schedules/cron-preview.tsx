import type { Cron } from 'croner';
import { useDeferredValue, useEffect, useState } from 'react';
import { DueTimes } from './due-times.tsx';
import styles from './schedules.module.css';

const COUNT = 5;

/** What the API reads expressions with, too; it is loaded when somebody writes one. */
const useCron = (): typeof Cron | undefined => {
  const [cron, setCron] = useState<{ read: typeof Cron }>();
  useEffect(() => {
    let isGone = false;
    void import('croner').then((croner) => !isGone && setCron({ read: croner.Cron }));
    return () => {
      isGone = true;
    };
  }, []);
  return cron?.read;
};

/** What an expression means: how often it is due, and when next. Whether it is valid is for the API to say. */
export const CronPreview = ({ cron, timeZone }: { cron: string; timeZone: string }) => {
  const Reader = useCron();
  const shown = useDeferredValue(cron);
  if (!Reader || shown.trim() === '') return null;
  const times = nextTimes(Reader, shown, timeZone);
  return (
    <div className={styles.preview} role="status">
      {times && times.length > 0 ? (
        <>
          <p>{rhythm(times)}</p>
          <DueTimes label="Next due times" times={times.map((at) => at.toISOString())} timeZone={timeZone} />
        </>
      ) : (
        <p>{times ? 'It is never due.' : 'This cannot be read yet.'}</p>
      )}
    </div>
  );
};

const nextTimes = (Reader: typeof Cron, cron: string, timeZone: string): Date[] | undefined => {
  try {
    return new Reader(cron, { timezone: timeZone, mode: '5-or-6-parts' }).nextRuns(COUNT);
  } catch {
    return undefined;
  }
};

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** "Every 15 minutes:" where all the gaps are the same. */
const rhythm = (times: readonly Date[]): string => {
  const gaps = new Set(times.slice(1).map((at, index) => at.getTime() - (times[index] as Date).getTime()));
  const [gap] = gaps;
  const [unit, size] = UNITS.find(([, each]) => gap !== undefined && gap % each === 0) ?? [];
  if (gaps.size !== 1 || gap === undefined || size === undefined) return 'Due next:';
  return gap === size ? `Every ${unit}:` : `Every ${gap / size} ${unit}s:`;
};
