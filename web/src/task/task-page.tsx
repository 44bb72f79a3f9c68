import { Link, useParams } from '@tanstack/react-router';
import { useSubscription } from 'urql';
import { buttonClass } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { JsonTree } from '../ui/json-tree.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { StatusBadge } from '../ui/status-badge.tsx';
import { Duration } from '../ui/time.tsx';
import { SubmitAgain } from './submit-again.tsx';
import { TaskUpdatedDocument } from './task.generated.ts';
import { TaskActions } from './task-actions.tsx';
import { TaskFacts } from './task-facts.tsx';
import { TaskLogs } from './task-logs.tsx';
import styles from './task-page.module.css';
import { TaskRelations } from './task-relations.tsx';
import { TaskTimeline } from './task-timeline.tsx';
import { countRetries } from './timeline.ts';
import { type ShownTask, useTask } from './use-task.ts';

export const TaskPage = () => {
  const { id } = useParams({ from: '/signed-in/tasks/$id' });
  return <Shown key={id} id={id} />;
};

const Shown = ({ id }: { id: string }) => {
  const { task, isMoving, error, load } = useTask(id);
  if (task) return <TaskDetails task={task} isMoving={isMoving} />;
  return (
    <Page title="Task">
      {error && <ErrorState error={error} onRetry={load} />}
      {!error && task === undefined && <Loading />}
      {!error && task === null && (
        <EmptyState
          icon="search"
          title="There is no such task"
          action={
            <Link to="/tasks" className={buttonClass()}>
              To the list
            </Link>
          }
        >
          It may have been deleted, be older than tasks are kept, or belong to somebody else.
        </EmptyState>
      )}
    </Page>
  );
};

const TaskDetails = ({ task, isMoving }: { task: ShownTask; isMoving: boolean }) => (
  <Page title={`${task.type} ${task.id}`} heading={<Heading task={task} />} actions={<TaskActions task={task} />}>
    {isMoving && <Watch id={task.id} />}
    <TaskState task={task} />
    <div className={styles.columns}>
      <div className={styles.column}>
        <Panel title="Timeline">
          <TaskTimeline events={task.events} />
        </Panel>
        {task.error && <TaskFault error={task.error} />}
        <TaskLogs id={task.id} retries={countRetries(task.events)} />
        <Panel title="Payload">
          <JsonTree value={task.payload} label="Copy the payload" />
        </Panel>
        {task.status === 'COMPLETED' && (
          <Panel title="Result">
            <JsonTree value={task.result ?? null} label="Copy the result" />
          </Panel>
        )}
      </div>
      <div className={styles.column}>
        <Panel title="Task">
          <TaskFacts task={task} />
        </Panel>
        <TaskRelations task={task} />
        <SubmitAgain task={task} />
      </div>
    </div>
  </Page>
);

/** What it brings is in the cache, and so on the page. */
const Watch = ({ id }: { id: string }) => {
  useSubscription({ query: TaskUpdatedDocument, variables: { id } });
  return null;
};

const Heading = ({ task: { id, type } }: { task: ShownTask }) => (
  <span className={styles.heading}>
    {type} <span className="mono muted">{id}</span> <CopyButton text={id} label="Copy the id" />
  </span>
);

const TaskState = ({ task: { status, startedAt, finishedAt, progress, progressDetail } }: { task: ShownTask }) => (
  <div className={styles.state}>
    <span role="status">
      <StatusBadge status={status} />
    </span>
    {startedAt && (status === 'PROCESSING' || finishedAt) && (
      <span className="muted number">
        {status === 'PROCESSING' ? 'running for ' : 'ran for '}
        <Duration from={startedAt} to={finishedAt} />
      </span>
    )}
    {status === 'PROCESSING' && typeof progress === 'number' && (
      <>
        <progress className={styles.progress} aria-label="Progress" max={100} value={progress} />
        <span className="number">{Math.round(progress)} %</span>
        {progressDetail !== null && progressDetail !== undefined && (
          <span className="mono muted">{JSON.stringify(progressDetail)}</span>
        )}
      </>
    )}
  </div>
);

const TaskFault = ({ error: { code, message, stack } }: { error: NonNullable<ShownTask['error']> }) => (
  <Panel
    title="Error"
    actions={<CopyButton text={[code, message, stack].filter(Boolean).join('\n')} label="Copy the error" />}
  >
    <p className={styles.fault}>
      {code && <span className="mono">{code} </span>}
      {message}
    </p>
    {stack && (
      <details open>
        <summary>Stack</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
        <pre className={styles.stack} tabIndex={0} role="region" aria-label="Stack">
          {stack}
        </pre>
      </details>
    )}
  </Panel>
);
