import { RelativeTime, useNow } from '../ui/time.tsx';
import styles from './schedules.module.css';

/** So many are shown; more are known, so that it can go on by itself. */
const SHOWN = 5;

/** By the clocks of the schedule. */
const inZone = (at: string, timeZone: string): string =>
  new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).format(new Date(at));

interface DueTimesProps {
  label: string;
  times: readonly string[];
  timeZone: string;
}

/** When something is due next. What has passed meanwhile gives way to what follows. */
export const DueTimes = ({ label, times, timeZone }: DueTimesProps) => {
  const now = useNow();
  const next = times.filter((at) => Date.parse(at) > now).slice(0, SHOWN);
  return (
    <ol className={styles.times} aria-label={label}>
      {next.map((at) => (
        <li key={at}>
          <span className="number">{inZone(at, timeZone)}</span>{' '}
          <span className="muted">
            <RelativeTime at={at} />
          </span>
        </li>
      ))}
    </ol>
  );
};
