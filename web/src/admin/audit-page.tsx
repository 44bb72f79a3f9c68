import { useNavigate, useSearch } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { useSubscription } from 'urql';
import { useSession } from '../session/session.ts';
import { Button } from '../ui/button.tsx';
import { classes } from '../ui/classes.ts';
import { Page, Panel } from '../ui/page.tsx';
import { PlainTable } from '../ui/plain-table.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { exactTime, RelativeTime } from '../ui/time.tsx';
import { AuditLogUpdatedDocument, type AuditLogUpdatedSubscription } from './audit.generated.ts';
import { ACTION_NAMES } from './audit-actions.ts';
import { type AuditFilter, toWhere } from './audit-filter.ts';
import { AuditFilterBar } from './audit-filter-bar.tsx';
import styles from './audit-page.module.css';
import { UsersPanel } from './users-panel.tsx';

type Entry = AuditLogUpdatedSubscription['auditLogUpdated']['edges'][number]['node'];

const COLUMNS = ['When', 'Who', 'Did', 'To', 'From', 'More'];

export const AuditPage = () => {
  const { user, ...filter } = useSearch({ from: '/signed-in/admin' });
  const navigate = useNavigate({ from: '/admin' });
  const key = JSON.stringify(filter);
  const onChange = (next: AuditFilter): void => void navigate({ search: { ...next, ...(user && { user }) } });
  // Each letter changes it: going back leaves the page, not a letter.
  const onSearch = (next: string): void =>
    void navigate({ search: { ...filter, ...(next && { user: next }) }, replace: true });
  return (
    <Page title="Admin">
      <Panel title="Audit log" isFlush>
        <AuditFilterBar key={`filter ${key}`} filter={filter} onChange={onChange} />
        <PlainTable label="Audit log" columns={COLUMNS}>
          <Part key={key} filter={filter} onFilter={onChange} after={null} />
        </PlainTable>
      </Panel>
      <UsersPanel initialSearch={user ?? ''} onSearch={onSearch} />
    </Page>
  );
};

interface PartProps {
  filter: AuditFilter;
  onFilter: (filter: AuditFilter) => void;
  after: string | null;
}

/** A page of the log, live, and those after it, once they are asked for. */
const Part = ({ filter, onFilter, after }: PartProps) => {
  const variables = { after, where: toWhere(filter) };
  const [{ data, error }] = useSubscription({ query: AuditLogUpdatedDocument, variables });
  const [hasMore, setHasMore] = useState(false);
  if (!data) return <Wide>{error ? <ErrorState error={error} /> : <Loading />}</Wide>;
  const { edges, pageInfo } = data.auditLogUpdated;
  if (after === null && edges.length === 0) {
    return (
      <Wide>
        <EmptyState icon="search" title="Nothing matches">
          Entries are kept for as long as AUDIT_RETENTION_DAYS says.
        </EmptyState>
      </Wide>
    );
  }
  return (
    <>
      {edges.map(({ node }) => (
        <Row key={node.id} entry={node} onActor={(actorId) => onFilter({ ...filter, actorId })} />
      ))}
      {pageInfo.hasNextPage && !hasMore && (
        <Wide>
          <Button onClick={() => setHasMore(true)}>Show more entries</Button>
        </Wide>
      )}
      {pageInfo.hasNextPage && hasMore && (
        <Part filter={filter} onFilter={onFilter} after={pageInfo.endCursor ?? null} />
      )}
    </>
  );
};

const Wide = ({ children }: { children: ReactNode }) => (
  <tr>
    <td colSpan={COLUMNS.length}>{children}</td>
  </tr>
);

const Row = ({ entry, onActor }: { entry: Entry; onActor: (actorId: string) => void }) => {
  const { at, actorId, action, target, address, count, detail } = entry;
  return (
    <tr>
      <td className={styles.whole}>
        <RelativeTime at={at} /> <span className="muted">{exactTime(at)}</span>
      </td>
      <td>
        <Actor id={actorId} onChoose={onActor} />
      </td>
      <td>
        {ACTION_NAMES[action]}
        {count > 1 && <span className="muted"> {count} times</span>}
      </td>
      <td className="mono">{target}</td>
      <td className={classes('mono', styles.whole)}>{address}</td>
      <td className="mono">{detail === null ? '' : JSON.stringify(detail)}</td>
    </tr>
  );
};

const Actor = ({ id, onChoose }: { id: string | null; onChoose: (id: string) => void }) => {
  const own = useSession()?.user.id;
  if (id === null) return <span className="muted">Nobody known</span>;
  const name = id === own ? 'You' : id;
  return (
    <Button isSmall kind="quiet" className={styles.actor} title="Show what they did" onClick={() => onChoose(id)}>
      {name}
    </Button>
  );
};
