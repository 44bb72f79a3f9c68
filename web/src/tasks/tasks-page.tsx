import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import { useSession } from '../session/session.ts';
import { useShortcuts } from '../shell/shortcuts.ts';
import { Button, buttonClass } from '../ui/button.tsx';
import { DataTable } from '../ui/data-table.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { BulkBar } from './bulk-bar.tsx';
import { FilterBar } from './filter-bar.tsx';
import { Owner } from './owner.tsx';
import { COLUMNS, RowContext, TaskCard } from './task-columns.tsx';
import { isFiltered, type TaskFilter, whereOf } from './task-filter.ts';
import type { TaskItem } from './task-rows.ts';
import styles from './tasks-page.module.css';
import { useSelection } from './use-selection.ts';
import { type TaskList, useTaskRows } from './use-task-rows.ts';

export const TasksPage = () => {
  const search = useSearch({ from: '/signed-in/tasks' });
  const isAdmin = useSession()?.user.isAdmin ?? false;
  const filter = useMemo((): TaskFilter => {
    const { owner, ...others } = search;
    // Who is no admin sees only their own.
    return isAdmin ? search : others;
  }, [search, isAdmin]);
  const navigate = useNavigate();
  const field = useRef<HTMLInputElement>(null);
  const [round, setRound] = useState(0);
  useShortcuts({ '/': () => field.current?.focus() });
  return (
    <Page title="Tasks">
      <FilterBar filter={filter} onChange={(next) => void navigate({ to: '/tasks', search: next })} fieldRef={field} />
      <Owner key={`${JSON.stringify(filter)} ${round}`} owner={filter.owner}>
        {(ownerId) => <List filter={filter} ownerId={ownerId} onReload={() => setRound(round + 1)} />}
      </Owner>
    </Page>
  );
};

interface ListProps {
  filter: TaskFilter;
  /** Of `filter.owner`. */
  ownerId: string | undefined;
  /** Begins anew. */
  onReload: () => void;
}

const List = ({ filter, ownerId, onReload }: ListProps) => {
  const where = useMemo(() => whereOf(filter, ownerId), [filter, ownerId]);
  const box = useRef<HTMLDivElement>(null);
  const list = useTaskRows(where, () => isFree(box.current));
  const selection = useSelection(list.items ?? []);
  const navigate = useNavigate();
  const { want } = list;
  const { selected, press } = selection;
  useShortcuts({ j: () => box.current?.querySelector<HTMLElement>('[role=row][tabindex="0"]')?.focus() });
  if (!list.items) {
    return (
      <Panel title="List">{list.error ? <ErrorState error={list.error} onRetry={onReload} /> : <Loading />}</Panel>
    );
  }
  return (
    <Panel isFlush>
      <div ref={box} onScrollCapture={() => list.heldCount > 0 && isFree(box.current) && list.release()}>
        {list.items.length > 0 && <BulkBar selection={selection} where={where} onReload={onReload} />}
        <News list={list} onReload={onReload} />
        <RowContext value={{ selected, press, want }}>
          <DataTable
            label="Tasks"
            columns={COLUMNS}
            rows={list.items}
            rowId={({ id }) => id}
            onOpen={({ id }) => void navigate({ to: '/tasks/$id', params: { id } })}
            selected={selected}
            onToggle={selection.toggle}
            onEndReached={list.loadMore}
            empty={<Empty isFiltered={isFiltered(filter)} />}
            leastWidth={860}
            card={drawCard}
          />
        </RowContext>
        <Foot list={list} isOfAll={ownerId === undefined} />
      </div>
    </Panel>
  );
};

const drawCard = (item: TaskItem) => <TaskCard item={item} />;

/** Rows may move while nobody is at them: the table stands at its top, and neither the mouse nor the focus is in it. */
const isFree = (box: HTMLElement | null): boolean => {
  const grid = box?.querySelector('[role=grid]');
  if (!grid) return true;
  return !grid.parentElement?.scrollTop && !grid.matches(':hover') && !grid.contains(document.activeElement);
};

/** What has changed but is not shown yet. */
const News = ({ list, onReload }: { list: TaskList; onReload: () => void }) => (
  <div role="status">
    {list.heldCount > 0 && (
      <div className={styles.held}>
        <Button isSmall kind="quiet" onClick={list.release}>
          Show {list.heldCount} new {list.heldCount === 1 ? 'task' : 'tasks'}
        </Button>
      </div>
    )}
    {list.mayHaveMore && (
      <div className={styles.held}>
        <Button isSmall kind="quiet" icon="retry" onClick={onReload}>
          Tasks have changed that may match. Search again
        </Button>
      </div>
    )}
  </div>
);

const Foot = ({ list, isOfAll }: { list: TaskList; isOfAll: boolean }) => {
  const isAdmin = useSession()?.user.isAdmin ?? false;
  const count = list.items?.length ?? 0;
  if (list.error) return <ErrorState error={list.error} onRetry={list.loadMore} />;
  return (
    <div className={styles.foot}>
      <span>
        {count.toLocaleString('en')} {list.hasNextPage ? 'loaded, more as you scroll' : count === 1 ? 'task' : 'tasks'}
      </span>
      {isAdmin && isOfAll && (
        <span>Everybody’s tasks; what changes by itself are yours. Choose an owner to follow theirs.</span>
      )}
    </div>
  );
};

const Empty = ({ isFiltered: hasFilter }: { isFiltered: boolean }) =>
  hasFilter ? (
    <EmptyState
      icon="search"
      title="No task matches"
      action={
        <Link to="/tasks" search={{}} className={buttonClass()}>
          Show all tasks
        </Link>
      }
    >
      Tasks that come to match appear here. Tags and payloads must all fit; of types, queues and statuses one does.
    </EmptyState>
  ) : (
    <EmptyState
      icon="tasks"
      title="No tasks yet"
      action={
        <Link to="/submit" className={buttonClass({ kind: 'primary' })}>
          Submit a task
        </Link>
      }
    >
      What you submit appears here at once, whether by the form, by createTask, or by the command line.
    </EmptyState>
  );
