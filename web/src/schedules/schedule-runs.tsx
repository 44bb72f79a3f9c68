import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useFreshQuery } from '../live/use-fresh-query.ts';
import type { TaskNow } from '../live/use-task-now.ts';
import type { TaskStatus } from '../schema.generated.ts';
import { Button } from '../ui/button.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { StatusBadge } from '../ui/status-badge.tsx';
import { exactTime, RelativeTime } from '../ui/time.tsx';
import { ScheduleRunsDocument } from './schedules.generated.ts';
import styles from './schedules.module.css';

interface ScheduleRunsProps {
  id: string;
  /** Those that were made or have changed since the page was opened. */
  tasks: ReadonlyMap<string, TaskNow>;
}

/** The due times that tasks were made for, the newest first; they go on by themselves. */
export const ScheduleRuns = (props: ScheduleRunsProps) => (
  <ul className={styles.runs}>
    <Part {...props} after={null} />
  </ul>
);

interface Run {
  dueAt: string;
  task: { id: string; status: TaskStatus } | null;
}

const Part = ({ id, tasks, after }: ScheduleRunsProps & { after: string | null }) => {
  const [{ data, error }, refresh] = useFreshQuery({ query: ScheduleRunsDocument, variables: { id, after } });
  const [hasMore, setHasMore] = useState(false);
  if (error && !data)
    return (
      <li>
        <ErrorState error={error} onRetry={refresh} />
      </li>
    );
  if (!data?.schedule)
    return (
      <li>
        <Loading />
      </li>
    );
  const { edges, pageInfo } = data.schedule.runs;
  const known = edges.map(({ node }) => node);
  const runs = after === null ? [...newRuns(known, tasks), ...known] : known;
  if (runs.length === 0)
    return (
      <li>
        <EmptyState title="No runs yet">They are here once it was due.</EmptyState>
      </li>
    );
  return (
    <>
      {runs.map((run) => (
        <RunItem key={run.dueAt} run={run} now={tasks.get(run.task?.id ?? '')} />
      ))}
      {pageInfo.hasNextPage && !hasMore && (
        <li>
          <Button onClick={() => setHasMore(true)}>Show more runs</Button>
        </li>
      )}
      {pageInfo.hasNextPage && hasMore && <Part id={id} tasks={tasks} after={pageInfo.endCursor ?? null} />}
    </>
  );
};

/** Those that came since the page was loaded. Tasks that were made by hand were due at no time. */
const newRuns = (known: readonly Run[], tasks: ScheduleRunsProps['tasks']): Run[] => {
  const newest = known[0]?.dueAt ?? '';
  return [...tasks.values()]
    .flatMap((task) => (task.runAt !== null && task.runAt > newest ? [{ dueAt: task.runAt, task }] : []))
    .toSorted((a, b) => b.dueAt.localeCompare(a.dueAt));
};

const RunItem = ({ run: { dueAt, task }, now }: { run: Run; now: TaskNow | undefined }) => (
  <li>
    <span className="number">{exactTime(dueAt)}</span>
    <span className="muted">
      <RelativeTime at={dueAt} />
    </span>
    {task ? (
      <Link to="/tasks/$id" params={{ id: task.id }}>
        <span className="visually-hidden">Task of {exactTime(dueAt)}: </span>
        <StatusBadge status={now?.status ?? task.status} />
      </Link>
    ) : (
      <span className="muted">No longer kept</span>
    )}
  </li>
);
