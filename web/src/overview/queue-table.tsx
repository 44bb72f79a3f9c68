import { Link } from '@tanstack/react-router';
import { useMutation } from 'urql';
import { problemOf } from '../live/problem.ts';
import { useSession } from '../session/session.ts';
import { Card } from '../ui/card.tsx';
import { columnsOf, DataTable } from '../ui/data-table.tsx';
import { EmptyState } from '../ui/states.tsx';
import { Switch } from '../ui/switch.tsx';
import { Duration } from '../ui/time.tsx';
import { showProblem, showToast } from '../ui/toast.tsx';
import { PauseQueueDocument, type QueuesUpdatedSubscription, ResumeQueueDocument } from './overview.generated.ts';
import styles from './overview-page.module.css';

export type Queue = QueuesUpdatedSubscription['queuesUpdated'][number];

const column = columnsOf<Queue>();
const NUMBER = { width: 'minmax(116px, 1fr)' };

const count = (header: string, of: keyof Queue['counts']) =>
  column.accessor(({ counts }) => counts[of], {
    id: of,
    header,
    cell: ({ getValue }) => <span className="number">{number(getValue())}</span>,
    meta: NUMBER,
  });

const COLUMNS = column.columns([
  column.accessor('name', {
    header: 'Queue',
    cell: ({ getValue }) => <QueueLink name={getValue()} />,
    meta: { width: 'minmax(140px, 2fr)' },
  }),
  count('Waiting', 'queued'),
  column.display({
    id: 'age',
    header: 'Oldest waits',
    cell: ({ row: { original } }) =>
      original.oldestQueuedAt ? <Duration from={original.oldestQueuedAt} /> : <span className="muted">–</span>,
    meta: NUMBER,
  }),
  count('Running', 'processing'),
  count('Scheduled', 'scheduled'),
  count('Done, 24 h', 'completed'),
  count('Failed, 24 h', 'failed'),
  column.display({
    id: 'state',
    header: 'State',
    cell: ({ row: { original } }) => <QueueState queue={original} />,
    meta: { width: 'minmax(130px, 1fr)' },
  }),
]);

/** The queues of all owners: depth, age, and a switch that pauses them, for admins. */
export const QueueTable = ({ queues }: { queues: readonly Queue[] }) => (
  <DataTable
    label="Queues"
    columns={COLUMNS}
    rows={queues}
    rowId={({ name }) => name}
    leastWidth={1_040}
    card={(queue) => <QueueCard queue={queue} />}
    empty={
      <EmptyState icon="tasks" title="No queues yet">
        A queue is here once a task was submitted to it. <Link to="/submit">Submit one</Link>.
      </EmptyState>
    }
  />
);

const QueueCard = ({ queue }: { queue: Queue }) => (
  <Card
    title={<QueueLink name={queue.name} />}
    aside={<QueueState queue={queue} />}
    lines={[
      <>
        {number(queue.counts.queued)} waiting, {number(queue.counts.processing)} running
        {queue.oldestQueuedAt && (
          <>
            , the oldest for <Duration from={queue.oldestQueuedAt} />
          </>
        )}
      </>,
      `In 24 h: ${number(queue.counts.completed)} completed, ${number(queue.counts.failed)} failed`,
    ]}
  />
);

const QueueLink = ({ name }: { name: string }) => (
  <Link to="/tasks" search={{ queue: name }}>
    {name}
  </Link>
);

const number = (value: number): string => value.toLocaleString('en');

const QueueState = ({ queue: { name, isPaused, isDraining } }: { queue: Queue }) => {
  const isAdmin = useSession()?.user.isAdmin ?? false;
  const [pausing, pause] = useMutation(PauseQueueDocument);
  const [resuming, resume] = useMutation(ResumeQueueDocument);
  const words = isPaused ? 'Paused' : isDraining ? 'Draining' : 'Runs';
  const change = async (runs: boolean): Promise<void> => {
    const { error } = await (runs ? resume : pause)({ name });
    if (error) showProblem(problemOf(error));
    else showToast(runs ? `Queue ${name} runs again.` : `Queue ${name} is paused: nothing more is begun.`);
  };
  return (
    <span className={styles.state} data-state={words}>
      {isAdmin && (
        <Switch
          label={`Queue ${name} runs`}
          isOn={!isPaused && !isDraining}
          isBusy={pausing.fetching || resuming.fetching}
          onChange={change}
        />
      )}
      {words}
    </span>
  );
};
