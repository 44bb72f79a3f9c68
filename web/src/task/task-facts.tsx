import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { duration, RelativeTime } from '../ui/time.tsx';
import styles from './task-page.module.css';
import { hasEnded, type ShownTask } from './use-task.ts';
import { WaitReason } from './wait-reason.tsx';

/** What is to be known of a task beside where it stands. */
export const TaskFacts = ({ task }: { task: ShownTask }) => {
  const { queue, priority, attempt, maxAttempts, tags, timeoutMs, workerId, runAt, cancelReason } = task;
  const isWaiting = !hasEnded(task.status) && task.status !== 'PROCESSING';
  return (
    <dl className={styles.facts}>
      {isWaiting && (
        <Fact name="Why it waits">
          <WaitReason key={task.events.at(-1)?.seq} id={task.id} />
        </Fact>
      )}
      <Fact name="Type">
        <Link to="/tasks" search={{ type: task.type }}>
          {task.type}
        </Link>
      </Fact>
      <Fact name="Queue">
        <Link to="/tasks" search={{ queue }}>
          {queue}
        </Link>
      </Fact>
      <Fact name="Attempt">
        {attempt} of {maxAttempts}
      </Fact>
      <Fact name="Priority">{priority.toLowerCase()}</Fact>
      <Fact name="Submitted">
        <RelativeTime at={task.createdAt} />
      </Fact>
      {runAt && (
        <Fact name="Due">
          <RelativeTime at={runAt} />
        </Fact>
      )}
      {task.finishedAt && (
        <Fact name="Ended">
          <RelativeTime at={task.finishedAt} />
        </Fact>
      )}
      {typeof timeoutMs === 'number' && <Fact name="Time limit">{duration(timeoutMs)}</Fact>}
      {workerId && (
        <Fact name="Worker">
          <span className="mono">{workerId}</span>
        </Fact>
      )}
      {task.cancelRequestedAt && (
        <Fact name="Told to stop">
          <RelativeTime at={task.cancelRequestedAt} />
        </Fact>
      )}
      {cancelReason && <Fact name="Cancelled because">{cancelReason}</Fact>}
      {task.flow && <Fact name="Flow">{task.flow.name ?? task.flow.id}</Fact>}
      {tags.length > 0 && (
        <Fact name="Tags">
          <span className={styles.tagLinks}>
            {tags.map((tag) => (
              <Link key={tag} to="/tasks" search={{ tag }}>
                {tag}
              </Link>
            ))}
          </span>
        </Fact>
      )}
    </dl>
  );
};

const Fact = ({ name, children }: { name: string; children: ReactNode }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);
