import { Link } from '@tanstack/react-router';
import type { TaskNow } from '../live/use-task-now.ts';
import { Icon } from '../ui/icon.tsx';
import { StatusBadge } from '../ui/status-badge.tsx';
import { RelativeTime } from '../ui/time.tsx';
import { DueTimes } from './due-times.tsx';
import type { SchedulePartsFragment } from './schedules.generated.ts';
import styles from './schedules.module.css';

type Schedule = SchedulePartsFragment;

/** The tag that the tasks of a schedule have. */
export const tagOf = ({ name }: Pick<Schedule, 'name'>): string => `schedule:${name}`;

/** The newest of tasks: ids follow time. */
export const newestOf = (tasks: Iterable<TaskNow>): TaskNow | undefined => {
  let newest: TaskNow | undefined;
  for (const task of tasks) if (task.id > (newest?.id ?? '')) newest = task;
  return newest;
};

/** When it is due: the expression, and by whose clocks. */
export const When = ({ schedule: { cron, timeZone } }: { schedule: Schedule }) => (
  <span>
    <code>{cron}</code> <span className="muted">{timeZone}</span>
  </span>
);

/** The next five times; while it is paused, that it is. */
export const Next = ({ schedule: { name, isPaused, nextRuns, timeZone } }: { schedule: Schedule }) => {
  if (isPaused) return <p className="muted">Paused: nothing is due, and nothing is made up later.</p>;
  if (nextRuns.length === 0) return <p className="muted">It is never due again.</p>;
  return <DueTimes label={`Next due times of ${name}`} times={nextRuns} timeZone={timeZone} />;
};

interface LastProps {
  schedule: Schedule;
  /** The newest of its tasks that were made or have changed since it was loaded. */
  now: TaskNow | undefined;
}

/** The task that it made last, and why it made none when it was last due. */
export const Last = ({ schedule, now }: LastProps) => {
  // An older one may have changed, as one that was retried. Ids follow time.
  const newer = now && now.id >= (schedule.lastTask?.id ?? '') ? now : undefined;
  const task = newer ?? schedule.lastTask;
  const at = newer?.runAt ?? schedule.lastRunAt;
  return (
    <div className={styles.last}>
      {task && (
        <Link to="/tasks/$id" params={{ id: task.id }}>
          <span className="visually-hidden">Last task of {schedule.name}: </span>
          <StatusBadge status={task.status} />
        </Link>
      )}
      <span className="muted">{at ? <RelativeTime at={at} /> : 'It has made no task yet.'}</span>
      {schedule.lastError && (
        <p className={styles.error}>
          <Icon name="warning" /> It could make no task: {schedule.lastError}
        </p>
      )}
    </div>
  );
};
