import { Link } from '@tanstack/react-router';
import { useSubscription } from 'urql';
import { CopyButton } from '../ui/copy-button.tsx';
import { JsonTree } from '../ui/json-tree.tsx';
import { Load } from '../ui/load.tsx';
import { Panel } from '../ui/page.tsx';
import { ErrorState, Loading } from '../ui/states.tsx';
import { StatusBadge } from '../ui/status-badge.tsx';
import { Duration, RelativeTime } from '../ui/time.tsx';
import { SubmittedTaskDocument, type SubmittedTaskSubscription } from './submit.generated.ts';
import styles from './submit-page.module.css';

/** What becomes of the task that was just submitted, live. */
export const SubmittedTask = ({ id }: { id: string }) => {
  const [{ data, error }] = useSubscription({ query: SubmittedTaskDocument, variables: { id } });
  return (
    <Panel title="Your task">
      {error ? <ErrorState error={error} /> : data ? <TaskNow task={data.taskUpdated} /> : <Loading />}
    </Panel>
  );
};

const TaskNow = ({ task }: { task: SubmittedTaskSubscription['taskUpdated'] }) => (
  <div className={styles.task}>
    <div className={styles.taskLine} aria-live="polite">
      <StatusBadge status={task.status} />
      {task.attempt > 0 && (
        <span className="muted">
          attempt {task.attempt} of {task.maxAttempts}
        </span>
      )}
      {task.startedAt && (
        <span className="muted">
          <Duration from={task.startedAt} to={task.finishedAt} />
        </span>
      )}
    </div>
    <div className={styles.taskLine}>
      <Link to="/tasks/$id" params={{ id: task.id }} className="mono">
        {task.id}
      </Link>
      <CopyButton text={task.id} label="Copy the id" />
    </div>
    <span className="muted">
      Submitted <RelativeTime at={task.createdAt} />
    </span>
    {task.status === 'PROCESSING' && typeof task.progress === 'number' && (
      <Load label="Progress" value={Math.round(task.progress)} max={100} />
    )}
    {task.error && (
      <p className={styles.fault}>
        {task.error.message} {task.error.code && <span className="mono">{task.error.code}</span>}
      </p>
    )}
    {task.status === 'COMPLETED' && <JsonTree value={task.result} label="Copy the result" />}
  </div>
);
