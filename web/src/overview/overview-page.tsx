import { useQuery } from 'urql';
import { columnsOf, DataTable } from '../ui/data-table.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { QueuesDocument, type QueuesQuery } from './overview.generated.ts';

type Queue = QueuesQuery['queues'][number];

const column = columnsOf<Queue>();
const COLUMNS = column.columns([
  column.accessor('name', { header: 'Queue' }),
  column.accessor(({ counts }) => counts.queued, { id: 'queued', header: 'Queued' }),
  column.accessor(({ counts }) => counts.processing, { id: 'processing', header: 'Processing' }),
  column.accessor(({ counts }) => counts.completed, { id: 'completed', header: 'Completed in 24 h' }),
  column.accessor(({ counts }) => counts.failed, { id: 'failed', header: 'Failed in 24 h' }),
]);

export const OverviewPage = () => {
  const [{ data, error }, ask] = useQuery({ query: QueuesDocument });
  return (
    <Page title="Overview">
      <Panel title="Queues" isFlush>
        {error && <ErrorState error={error} onRetry={() => ask({ requestPolicy: 'network-only' })} />}
        {!error && !data && <Loading />}
        {data && (
          <DataTable
            label="Queues"
            columns={COLUMNS}
            rows={data.queues}
            rowId={({ name }) => name}
            empty={<EmptyState title="No queues yet">A queue is here once a task was submitted to it.</EmptyState>}
          />
        )}
      </Panel>
    </Page>
  );
};
