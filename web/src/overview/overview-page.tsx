import { useNavigate, useSearch } from '@tanstack/react-router';
import { useSubscription } from 'urql';
import { useSession } from '../session/session.ts';
import { Page, Panel } from '../ui/page.tsx';
import { ErrorState, Loading } from '../ui/states.tsx';
import { Switch } from '../ui/switch.tsx';
import { Tile, Tiles } from '../ui/tiles.tsx';
import { duration } from '../ui/time.tsx';
import { WorkerTable } from '../workers/worker-table.tsx';
import { WorkersUpdatedDocument } from '../workers/workers.generated.ts';
import { type History, type Line, useHistory } from './history.ts';
import { QueuesUpdatedDocument } from './overview.generated.ts';
import styles from './overview-page.module.css';
import { QueueTable } from './queue-table.tsx';
import { StatisticsPlots } from './statistics-plots.tsx';

/** No more dead letters than that are counted. */
const MOST_FAILED = 10_000;

export const OverviewPage = () => {
  const isAdmin = useSession()?.user.isAdmin ?? false;
  const { everybody = false } = useSearch({ from: '/signed-in/' });
  const { history, error } = useHistory(isAdmin && everybody);
  const [queues] = useSubscription({ query: QueuesUpdatedDocument });
  const [workers] = useSubscription({ query: WorkersUpdatedDocument });
  return (
    <Page title="Overview" actions={isAdmin && <ScopeSwitch everybody={everybody} />}>
      {error ? <ErrorState error={error} /> : <Figures history={history} />}
      {!error && <StatisticsPlots history={history} />}
      <Panel title="Queues" isFlush>
        {queues.error && <ErrorState error={queues.error} />}
        {!queues.error && (queues.data ? <QueueTable queues={queues.data.queuesUpdated} /> : <Loading />)}
      </Panel>
      <Panel title="Workers" isFlush>
        {workers.error && <ErrorState error={workers.error} />}
        {!workers.error && (workers.data ? <WorkerTable workers={workers.data.workersUpdated} /> : <Loading />)}
      </Panel>
    </Page>
  );
};

/** Figures and plots are of one's own tasks; an admin may look at everybody's. */
const ScopeSwitch = ({ everybody }: { everybody: boolean }) => {
  const navigate = useNavigate({ from: '/' });
  return (
    <span className={styles.scope}>
      <Switch
        label="Everybody's tasks"
        isOn={everybody}
        onChange={(isOn) => void navigate({ search: isOn ? { everybody: true } : {}, replace: true })}
      />
      Everybody's tasks
    </span>
  );
};

const Figures = ({ history }: { history: History }) => {
  const tasks = history.latest?.tasks;
  const failed = tasks?.failed;
  return (
    <Tiles>
      <Tile name="Completed" value={rate(latestOf(history, 'completed'))} unit="a second" />
      <Tile name="Waiting" value={tasks?.queued ?? '–'} link={{ to: '/tasks', search: { status: 'QUEUED' } }} />
      <Tile name="Running" value={tasks?.processing ?? '–'} link={{ to: '/tasks', search: { status: 'PROCESSING' } }} />
      <Tile
        name="Failed"
        value={failed !== undefined && failed >= MOST_FAILED ? '10,000+' : (failed ?? '–')}
        link={{ to: '/tasks', search: { status: 'FAILED' } }}
      />
      <Tile name="Latency p50" value={time(latestOf(history, 'completionP50'))} />
      <Tile name="Latency p99" value={time(latestOf(history, 'completionP99'))} />
    </Tiles>
  );
};

/** In quiet times the last known value says more than nothing. */
const latestOf = (history: History, line: Line): number | undefined =>
  history.values[line].findLast((value) => value !== null) ?? undefined;

const rate = (value: number | undefined): string =>
  value === undefined ? '–' : value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });

const time = (ms: number | undefined): string => (ms === undefined ? '–' : duration(ms));
