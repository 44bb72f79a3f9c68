import { useSubscription } from 'urql';
import { Page, Panel } from '../ui/page.tsx';
import { ErrorState, Loading } from '../ui/states.tsx';
import { Tile, Tiles } from '../ui/tiles.tsx';
import { WorkerTable } from './worker-table.tsx';
import { WorkersUpdatedDocument } from './workers.generated.ts';

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

export const WorkersPage = () => {
  const [{ data, error }] = useSubscription({ query: WorkersUpdatedDocument });
  const workers = data?.workersUpdated;
  return (
    <Page title="Workers">
      {workers && workers.length > 0 && (
        <Tiles>
          <Tile name="Workers" value={workers.length} />
          <Tile name="Machines" value={new Set(workers.map(({ host }) => host)).size} />
          <Tile name="Running tasks" value={sum(workers.map(({ running }) => running))} />
          <Tile name="Room for" value={sum(workers.map(({ concurrency }) => concurrency))} />
        </Tiles>
      )}
      <Panel isFlush>
        {error ? <ErrorState error={error} /> : workers ? <WorkerTable workers={workers} /> : <Loading />}
      </Panel>
    </Page>
  );
};
