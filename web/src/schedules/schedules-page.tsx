import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useEffectEvent, useMemo, useState } from 'react';
import { useSubscription } from 'urql';
import { useFreshQuery } from '../live/use-fresh-query.ts';
import { type TaskNow, useChangesCursor, useTaskNow } from '../live/use-task-now.ts';
import { Button } from '../ui/button.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { ScheduleActions } from './schedule-actions.tsx';
import { ScheduleDialog } from './schedule-form.tsx';
import { Last, Next, newestOf, tagOf, When } from './schedule-state.tsx';
import {
  type SchedulePageFragment,
  type SchedulePartsFragment,
  SchedulesDocument,
  SchedulesUpdatedDocument,
} from './schedules.generated.ts';
import styles from './schedules.module.css';

type Schedule = SchedulePartsFragment;

export const SchedulesPage = () => {
  const [isCreating, setIsCreating] = useState(false);
  const navigate = useNavigate();
  const create = (
    <Button icon="submit" kind="primary" onClick={() => setIsCreating(true)}>
      New schedule
    </Button>
  );
  return (
    <Page title="Schedules" actions={create}>
      <Panel title="What makes tasks by the clock" isFlush>
        <ul className={styles.list}>
          <Part after={null} />
        </ul>
      </Panel>
      {isCreating && (
        <ScheduleDialog
          onClose={() => setIsCreating(false)}
          onDone={(id) => void navigate({ to: '/schedules/$id', params: { id } })}
        />
      )}
    </Page>
  );
};

/** A page of the list, live, and those after it, once they are asked for: what moves from one to the other is in neither twice. */
const Part = ({ after }: { after: string | null }) => {
  const cursor = useChangesCursor();
  const [{ data, error }, refresh] = useLiveList(after, cursor === undefined);
  const [hasMore, setHasMore] = useState(false);
  const schedules = useMemo(() => data?.schedules.edges.map(({ node }) => node) ?? [], [data]);
  const lastTasks = useLastTasks(schedules, cursor);
  if (error && !data)
    return (
      <li>
        <ErrorState error={error} onRetry={refresh} />
      </li>
    );
  if (!data)
    return (
      <li>
        <Loading />
      </li>
    );
  const { hasNextPage, endCursor } = data.schedules.pageInfo;
  if (after === null && schedules.length === 0)
    return (
      <li>
        <NoSchedules />
      </li>
    );
  return (
    <>
      {schedules.map((schedule) => (
        <Item key={schedule.id} schedule={schedule} now={lastTasks.get(tagOf(schedule))} />
      ))}
      {hasNextPage && !hasMore && (
        <li className={styles.more}>
          <Button onClick={() => setHasMore(true)}>Show more schedules</Button>
        </li>
      )}
      {hasNextPage && hasMore && <Part after={endCursor ?? null} />}
    </>
  );
};

/**
 * A page of the list: the cache shows what the subscription brings of its schedules, as it does with what this page's own
 * mutations bring, and the page is asked for again when there are others on it.
 */
const useLiveList = (after: string | null, pause: boolean) => {
  const [state, refresh] = useFreshQuery({ query: SchedulesDocument, variables: { after }, pause });
  const [{ data: live }] = useSubscription({ query: SchedulesUpdatedDocument, variables: { after }, pause });
  const compare = useEffectEvent((newest: string): void => {
    if (state.data && outlineOf(state.data.schedules) !== newest) refresh();
  });
  useEffect(() => {
    if (live) compare(outlineOf(live.schedulesUpdated));
  }, [live]);
  return [state, refresh] as const;
};

/** Which schedules are on a page, and whether there are more. */
const outlineOf = ({ edges, pageInfo }: SchedulePageFragment): string =>
  [...edges.map(({ node }) => node.id), pageInfo.hasNextPage].join(' ');

/** By the tags of their schedules. */
const useLastTasks = (
  schedules: readonly Schedule[],
  cursor: string | undefined,
): ReadonlyMap<string, TaskNow | undefined> => {
  const types = [...new Set(schedules.map(({ type }) => type))].toSorted();
  const tasks = useTaskNow({ type: types }, types.length > 0 ? cursor : undefined);
  return useMemo(() => {
    const byTag = Map.groupBy(tasks.values(), ({ tags }) => tags.find((tag) => tag.startsWith('schedule:')) ?? '');
    return new Map([...byTag].map(([tag, made]) => [tag, newestOf(made)]));
  }, [tasks]);
};

const Item = ({ schedule, now }: { schedule: Schedule; now: TaskNow | undefined }) => (
  <li className={styles.item}>
    <div className={styles.head}>
      <h3>
        <Link to="/schedules/$id" params={{ id: schedule.id }}>
          {schedule.name}
        </Link>
      </h3>
      <div className={styles.actions}>
        <ScheduleActions schedule={schedule} />
      </div>
    </div>
    <div className={styles.columns}>
      <div className={styles.what}>
        <When schedule={schedule} />
        <span className="muted">
          {schedule.type} in {schedule.queue}
        </span>
        <Last schedule={schedule} now={now} />
      </div>
      <Next schedule={schedule} />
    </div>
  </li>
);

const NoSchedules = () => (
  <EmptyState icon="schedules" title="No schedules yet">
    A schedule makes a task whenever its time has come: every night at half past two, say. “New schedule” makes one.
  </EmptyState>
);
