import { Card } from '../ui/card.tsx';
import { columnsOf, DataTable } from '../ui/data-table.tsx';
import { Load } from '../ui/load.tsx';
import { EmptyState } from '../ui/states.tsx';
import { RelativeTime } from '../ui/time.tsx';
import type { WorkersUpdatedSubscription } from './workers.generated.ts';

export type Worker = WorkersUpdatedSubscription['workersUpdated'][number];

const LANGUAGES: Record<string, string> = { typescript: 'TypeScript', python: 'Python', cpp: 'C++' };

const column = columnsOf<Worker>();
const COLUMNS = column.columns([
  column.accessor('host', { header: 'Host', meta: { width: 'minmax(120px, 1.2fr)' } }),
  column.accessor('id', {
    header: 'Worker',
    cell: ({ getValue }) => <span className="mono">{getValue()}</span>,
    meta: { width: 'minmax(140px, 1.5fr)' },
  }),
  column.accessor((worker) => languageOf(worker), {
    id: 'language',
    header: 'Language',
    meta: { width: 'minmax(140px, 1.2fr)' },
  }),
  column.display({
    id: 'load',
    header: 'Load',
    cell: ({ row: { original } }) => <WorkerLoad worker={original} />,
    meta: { width: 'minmax(160px, 1.2fr)' },
  }),
  column.accessor(({ queues }) => (queues.includes('*') ? 'all' : queues.join(', ')), {
    id: 'queues',
    header: 'Queues',
    meta: { width: 'minmax(90px, 1fr)' },
  }),
  column.accessor(({ types }) => types?.join(', ') ?? 'not said', {
    id: 'types',
    header: 'Task types',
    cell: ({ getValue }) => <span title={getValue()}>{getValue()}</span>,
    meta: { width: 'minmax(120px, 1.6fr)' },
  }),
  column.accessor('lastHeartbeatAt', {
    header: 'Heartbeat',
    cell: ({ getValue }) => <RelativeTime at={getValue()} />,
    meta: { width: '100px' },
  }),
]);

/** The workers that live. */
export const WorkerTable = ({ workers }: { workers: readonly Worker[] }) => (
  <DataTable
    label="Workers"
    columns={COLUMNS}
    rows={workers}
    rowId={({ id }) => id}
    leastWidth={900}
    card={(worker) => <WorkerCard worker={worker} />}
    empty={
      <EmptyState icon="workers" title="No worker is running">
        Tasks wait until one is: start it with <code>taskflow worker</code>, on any machine that reaches Redis.
      </EmptyState>
    }
  />
);

const languageOf = ({ language, version }: Worker): string =>
  [LANGUAGES[language] ?? language, version].filter(Boolean).join(' ');

const WorkerLoad = ({ worker }: { worker: Worker }) => (
  <Load label="Running tasks" value={worker.running} max={worker.concurrency} />
);

const WorkerCard = ({ worker }: { worker: Worker }) => (
  <Card
    title={worker.host}
    aside={languageOf(worker)}
    lines={[
      <WorkerLoad key="load" worker={worker} />,
      <>
        Heartbeat <RelativeTime at={worker.lastHeartbeatAt} />
      </>,
    ]}
  />
);
