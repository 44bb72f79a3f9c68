import { classes } from '../ui/classes.ts';
import { StatusBadge } from '../ui/status-badge.tsx';
import { duration, exactTime, useNow } from '../ui/time.tsx';
import styles from './task-timeline.module.css';
import { type Stay, staysOf } from './timeline.ts';
import type { ShownTask } from './use-task.ts';

/** Each transition of a task: where it stood from when on, for how long, drawn on one scale; the words say the same. */
export const TaskTimeline = ({ events }: { events: ShownTask['events'] }) => {
  const stays = staysOf(events, useNow());
  const lastMs = Math.max(...stays.map(({ startMs, lengthMs }) => startMs + lengthMs), 1);
  return (
    <>
      <ol className={styles.timeline}>
        {stays.map((stay) => (
          <Row key={stay.seq} stay={stay} totalMs={lastMs} />
        ))}
      </ol>
      <p className={styles.scale} aria-hidden="true">
        <span>0</span>
        <span>{duration(lastMs)}</span>
      </p>
    </>
  );
};

const Row = ({ stay, totalMs }: { stay: Stay; totalMs: number }) => {
  const { status, attempt, workerId, at, startMs, lengthMs, isOpen, note } = stay;
  // At the very end there is still room for what takes no time.
  const left = `min(${(100 * startMs) / totalMs}%, 100% - 3px)`;
  const width = `${(100 * lengthMs) / totalMs}%`;
  return (
    <li className={styles.row}>
      <div className={styles.what}>
        <StatusBadge status={status} />
        {attempt > 0 && <span className="muted">attempt {attempt}</span>}
      </div>
      <div className={styles.track} aria-hidden="true">
        <div className={classes(styles.bar, styles[status])} style={{ left, width }} />
      </div>
      <div className={styles.times}>
        <time dateTime={at} title={exactTime(at)}>
          after {duration(startMs)}
        </time>
        {(lengthMs > 0 || isOpen) && (
          <span>
            {' '}
            for {duration(lengthMs)}
            {isOpen && ' so far'}
          </span>
        )}
      </div>
      {(note ?? workerId) && (
        <p className={styles.note}>
          {note}
          {note && workerId && ' · '}
          {workerId && <span className="mono">{workerId}</span>}
        </p>
      )}
    </li>
  );
};
