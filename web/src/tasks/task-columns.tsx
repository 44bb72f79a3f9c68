import { Link } from '@tanstack/react-router';
import { createContext, type ReactNode, use, useEffect } from 'react';
import { columnsOf } from '../ui/data-table.tsx';
import { StatusBadge } from '../ui/status-badge.tsx';
import { Duration, RelativeTime } from '../ui/time.tsx';
import type { TaskItem } from './task-rows.ts';
import type { TaskRowFragment } from './tasks.generated.ts';
import styles from './tasks-page.module.css';

interface RowActions {
  selected: ReadonlySet<string>;
  press: (item: TaskItem, isRange: boolean) => void;
  want: (id: string) => void;
}

/** What the cells need of the page: columns are made once. */
export const RowContext = createContext<RowActions>({ selected: new Set(), press: () => {}, want: () => {} });

const column = columnsOf<TaskItem>();
const cellOf =
  (draw: (task: TaskRowFragment) => ReactNode) =>
  ({ row }: { row: { original: TaskItem } }) => {
    const { task } = row.original;
    return task ? draw(task) : null;
  };

export const COLUMNS = column.columns([
  column.display({
    id: 'select',
    header: () => <span className="visually-hidden">Selected</span>,
    meta: { width: '40px' },
    cell: ({ row }) => <Check item={row.original} />,
  }),
  column.display({
    id: 'status',
    header: 'Status',
    meta: { width: '124px' },
    cell: ({ row }) => <Status item={row.original} />,
  }),
  column.display({
    id: 'type',
    header: 'Type',
    meta: { width: 'minmax(110px, 1.2fr)' },
    cell: cellOf((task) => <TaskLink task={task} />),
  }),
  column.display({ id: 'queue', header: 'Queue', cell: cellOf(({ queue }) => queue) }),
  column.display({ id: 'tags', header: 'Tags', cell: cellOf(({ tags }) => <Tags tags={tags} />) }),
  column.display({
    id: 'attempt',
    header: 'Attempt',
    meta: { width: '84px' },
    cell: cellOf((task) => <Attempt task={task} />),
  }),
  column.display({
    id: 'created',
    header: 'Submitted',
    meta: { width: '108px' },
    cell: cellOf(({ createdAt }) => <RelativeTime at={createdAt} />),
  }),
  column.display({
    id: 'took',
    header: 'Ran for',
    meta: { width: '92px' },
    cell: cellOf((task) => <RanFor task={task} />),
  }),
]);

/** The same on a phone. */
export const TaskCard = ({ item }: { item: TaskItem }) => {
  const { task } = item;
  return (
    <div className={styles.card}>
      <div className={styles.cardLine}>
        <Check item={item} />
        <Status item={item} />
        {task && (
          <span className="muted">
            <RelativeTime at={task.createdAt} />
          </span>
        )}
      </div>
      {task && (
        <>
          <div className={styles.cardLine}>
            <TaskLink task={task} />
          </div>
          <div className={styles.cardLine}>
            <span className="muted">
              {task.queue} · attempt <Attempt task={task} />
            </span>
            <Tags tags={task.tags} />
          </div>
        </>
      )}
    </div>
  );
};

/** By keyboard a row is selected as a whole: the box is for the mouse. */
const Check = ({ item }: { item: TaskItem }) => {
  const { selected, press } = use(RowContext);
  return (
    <input
      type="checkbox"
      className={styles.check}
      tabIndex={-1}
      aria-label={`Select ${item.task?.type ?? 'the task'} ${item.id}`}
      checked={selected.has(item.id)}
      onChange={() => {}}
      onClick={({ shiftKey }) => press(item, shiftKey)}
    />
  );
};

const Status = ({ item }: { item: TaskItem }) => {
  if (item.task) return <StatusBadge status={item.task.status} />;
  return item.isGone ? <span className="muted">Gone</span> : <Missing id={item.id} />;
};

/** A row that was dropped: it is loaded when it comes into sight. */
const Missing = ({ id }: { id: string }) => {
  const { want } = use(RowContext);
  useEffect(() => want(id), [want, id]);
  return <span className="muted">…</span>;
};

const TaskLink = ({ task }: { task: TaskRowFragment }) => (
  <Link to="/tasks/$id" params={{ id: task.id }} tabIndex={-1} preload={false}>
    {task.type} <span className={styles.shortId}>{task.id.slice(-12)}</span>
  </Link>
);

const Tags = ({ tags }: { tags: readonly string[] }) => (
  <span className={styles.tags} title={tags.join(', ')}>
    {tags.map((tag) => (
      <span key={tag} className={styles.tag}>
        {tag}
      </span>
    ))}
  </span>
);

const Attempt = ({ task: { attempt, maxAttempts } }: { task: TaskRowFragment }) => (
  <span className="number">
    {attempt} of {maxAttempts}
  </span>
);

const RanFor = ({ task: { startedAt, finishedAt, status } }: { task: TaskRowFragment }) => {
  if (!startedAt || (status !== 'PROCESSING' && !finishedAt)) return null;
  return (
    <span className="number">
      <Duration from={startedAt} to={finishedAt ?? null} />
    </span>
  );
};
