import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { useSubscription } from 'urql';
import { useFreshQuery } from '../live/use-fresh-query.ts';
import { useChangesCursor, useTaskNow } from '../live/use-task-now.ts';
import { Button, buttonClass } from '../ui/button.tsx';
import { Facts } from '../ui/facts.tsx';
import { JsonTree } from '../ui/json-tree.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { duration, exactTime } from '../ui/time.tsx';
import { ScheduleActions } from './schedule-actions.tsx';
import { ScheduleDialog } from './schedule-form.tsx';
import { ScheduleRuns } from './schedule-runs.tsx';
import { Last, Next, newestOf, tagOf, When } from './schedule-state.tsx';
import { ScheduleDocument, type ScheduleQuery, ScheduleUpdatedDocument } from './schedules.generated.ts';
import styles from './schedules.module.css';

type Schedule = NonNullable<ScheduleQuery['schedule']>;

export const SchedulePage = () => {
  const { id } = useParams({ from: '/signed-in/schedules/$id' });
  const cursor = useChangesCursor();
  const pause = cursor === undefined;
  const [{ data, error }, refresh] = useFreshQuery({ query: ScheduleDocument, variables: { id }, pause });
  // The query shows what this brings, as it does with what the page's own mutations bring: the cache has both.
  const [{ data: live }] = useSubscription({ query: ScheduleUpdatedDocument, variables: { id }, pause });
  if (error && !data)
    return (
      <Frame>
        <ErrorState error={error} onRetry={refresh} />
      </Frame>
    );
  if (!data || cursor === undefined)
    return (
      <Frame>
        <Loading />
      </Frame>
    );
  if (!data.schedule || live?.scheduleUpdated === null)
    return (
      <Frame>
        <Missing />
      </Frame>
    );
  return <Found key={id} schedule={data.schedule} cursor={cursor} />;
};

const Frame = ({ children }: { children: ReactNode }) => <Page title="Schedule">{children}</Page>;

const Missing = () => (
  <EmptyState
    icon="schedules"
    title="There is no such schedule"
    action={
      <Link to="/schedules" className={buttonClass()}>
        To the schedules
      </Link>
    }
  >
    It may have been deleted, or belong to somebody else.
  </EmptyState>
);

interface FoundProps {
  schedule: Schedule;
  cursor: string;
}

const Found = ({ schedule, cursor }: FoundProps) => {
  const [isEditing, setIsEditing] = useState(false);
  const navigate = useNavigate();
  const tasks = useTaskNow({ tags: [tagOf(schedule)] }, cursor);
  const actions = (
    <>
      <Button isSmall onClick={() => setIsEditing(true)}>
        Edit
      </Button>
      <ScheduleActions schedule={schedule} onDeleted={() => void navigate({ to: '/schedules' })} />
    </>
  );
  return (
    <Page title={schedule.name} actions={actions}>
      <Panel title="When">
        <div className={styles.what}>
          <When schedule={schedule} />
          <Next schedule={schedule} />
          <Last schedule={schedule} now={newestOf(tasks.values())} />
        </div>
      </Panel>
      <Panel title="What its tasks are">
        <ScheduleFacts schedule={schedule} />
        {schedule.payload === null ? <p className="muted">No payload</p> : <JsonTree value={schedule.payload} />}
      </Panel>
      <Panel title="Past runs" isFlush>
        <ScheduleRuns id={schedule.id} tasks={tasks} />
      </Panel>
      {isEditing && (
        <ScheduleDialog schedule={schedule} onClose={() => setIsEditing(false)} onDone={() => setIsEditing(false)} />
      )}
    </Page>
  );
};

const MISSED = { SKIP: 'left out', RUN_ONCE: 'one task for all of them' };

const ScheduleFacts = ({ schedule }: { schedule: Schedule }) => {
  const { type, queue, priority, maxAttempts, timeoutMs, tags, missedRuns, updatedAt } = schedule;
  const facts: [string, string][] = [
    ['Type', type],
    ['Queue', queue],
    ['Priority', priority.toLowerCase()],
    ['Attempts', String(maxAttempts)],
    ['Time limit', timeoutMs === null ? 'as its type says' : duration(timeoutMs)],
    ['Tags', [tagOf(schedule), ...tags].join(', ')],
    ['Due times that were missed', MISSED[missedRuns]],
    ['Last changed', exactTime(updatedAt)],
  ];
  return (
    <div className={styles.facts}>
      <Facts facts={facts} />
    </div>
  );
};
