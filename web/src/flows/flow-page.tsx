import { Link, useParams } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { useFreshQuery } from '../live/use-fresh-query.ts';
import { useChangesCursor } from '../live/use-task-now.ts';
import { useSession } from '../session/session.ts';
import { Button, buttonClass } from '../ui/button.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { PlainTable } from '../ui/plain-table.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { StatusBadge } from '../ui/status-badge.tsx';
import { exactTime, RelativeTime } from '../ui/time.tsx';
import { CancelFlowDialog, RetryFlowDialog } from './flow-dialogs.tsx';
import { FlowGraph } from './flow-graph.tsx';
import { countByStatus, type Flow, type FlowTask, retryable, unfinished, useFlowTasks } from './flow-tasks.ts';
import { FlowDocument, FlowOwnerDocument } from './flows.generated.ts';
import styles from './flows.module.css';

/** Larger ones are a table only: nobody finds anything in such a picture, and laying it out takes long. */
const MOST_DRAWN = 300;

export const FlowPage = () => {
  const { id } = useParams({ from: '/signed-in/flows/$id' });
  const isAdmin = useSession()?.user.isAdmin ?? false;
  return isAdmin ? <OfAnybody key={id} id={id} /> : <Followed key={id} id={id} ownerId={undefined} />;
};

/** An admin sees everybody's flows. Changes are followed by owner, so whose it is has to be known first. */
const OfAnybody = ({ id }: { id: string }) => {
  const [{ data, error }, refresh] = useFreshQuery({ query: FlowOwnerDocument, variables: { id } });
  if (!data) return <Frame>{error ? <ErrorState error={error} onRetry={refresh} /> : <Loading />}</Frame>;
  return data.flow ? <Followed id={id} ownerId={data.flow.tasks[0]?.task?.ownerId} /> : <Missing />;
};

const Followed = ({ id, ownerId }: { id: string; ownerId: string | undefined }) => {
  const cursor = useChangesCursor(ownerId);
  const pause = cursor === undefined;
  const [{ data, error }, refresh] = useFreshQuery({ query: FlowDocument, variables: { id }, pause });
  if (!data || pause) return <Frame>{error ? <ErrorState error={error} onRetry={refresh} /> : <Loading />}</Frame>;
  return data.flow ? <Found flow={data.flow} cursor={cursor} ownerId={ownerId} /> : <Missing />;
};

const Frame = ({ children }: { children: ReactNode }) => <Page title="Flow">{children}</Page>;

const Missing = () => (
  <Frame>
    <EmptyState
      icon="flows"
      title="There is no such flow"
      action={
        <Link to="/flows" className={buttonClass()}>
          To the flows
        </Link>
      }
    >
      It may be older than tasks are kept, or belong to somebody else.
    </EmptyState>
  </Frame>
);

interface FoundProps {
  flow: Flow;
  cursor: string;
  ownerId: string | undefined;
}

const Found = ({ flow, cursor, ownerId }: FoundProps) => {
  const tasks = useFlowTasks(flow, cursor, ownerId);
  return (
    <Page title={flow.name} actions={<Actions tasks={tasks} />}>
      <div className={styles.summary}>
        <Counts tasks={tasks} />
        <span className="muted">
          Submitted <RelativeTime at={flow.createdAt} />, {exactTime(flow.createdAt)}
        </span>
      </div>
      <Panel title="Graph" isFlush>
        {tasks.length <= MOST_DRAWN ? (
          <FlowGraph tasks={tasks} />
        ) : (
          <EmptyState icon="flows" title={`${tasks.length} tasks are too many for a picture`}>
            The table below has all of them.
          </EmptyState>
        )}
      </Panel>
      <Panel title="Tasks" isFlush>
        <TaskTable tasks={tasks} />
      </Panel>
    </Page>
  );
};

const Counts = ({ tasks }: { tasks: readonly FlowTask[] }) => (
  <ul className={styles.counts} aria-label="How its tasks stand">
    {countByStatus(tasks).map(([status, count]) => (
      <li key={status}>
        <span className="number">{count}</span> <StatusBadge status={status} />
      </li>
    ))}
  </ul>
);

const Actions = ({ tasks }: { tasks: readonly FlowTask[] }) => {
  const [opened, setOpened] = useState<'cancel' | 'retry'>();
  const close = (): void => setOpened(undefined);
  const live = unfinished(tasks);
  const failed = retryable(tasks);
  return (
    <>
      {failed.length > 0 && (
        <Button isSmall icon="retry" onClick={() => setOpened('retry')}>
          Retry
        </Button>
      )}
      {live.length > 0 && (
        <Button isSmall kind="danger" onClick={() => setOpened('cancel')}>
          Cancel
        </Button>
      )}
      {opened === 'cancel' && <CancelFlowDialog ids={live} onClose={close} />}
      {opened === 'retry' && <RetryFlowDialog ids={failed} onClose={close} />}
    </>
  );
};

const COLUMNS = ['Task', 'Status', 'Type', 'Waits for'];

/** The same as the graph, in words. */
const TaskTable = ({ tasks }: { tasks: readonly FlowTask[] }) => (
  <PlainTable label="Tasks of the flow" columns={COLUMNS}>
    {tasks.map(({ name, id, status, type, dependsOn }) => (
      <tr key={name}>
        <th scope="row">
          {id === undefined ? (
            name
          ) : (
            <Link to="/tasks/$id" params={{ id }} preload={false}>
              {name}
            </Link>
          )}
        </th>
        <td>{status ? <StatusBadge status={status} /> : <span className="muted">No longer kept</span>}</td>
        <td>{type}</td>
        <td>{dependsOn.length === 0 ? <span className="muted">Nothing</span> : dependsOn.join(', ')}</td>
      </tr>
    ))}
  </PlainTable>
);
