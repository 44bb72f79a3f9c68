import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useSubscription } from 'urql';
import type { TaskStatus } from '../schema.generated.ts';
import { Button } from '../ui/button.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { Page, Panel } from '../ui/page.tsx';
import { EmptyState, ErrorState, Loading } from '../ui/states.tsx';
import { StatusBadge } from '../ui/status-badge.tsx';
import { RelativeTime } from '../ui/time.tsx';
import { FlowsUpdatedDocument, type FlowsUpdatedSubscription } from './flows.generated.ts';
import styles from './flows.module.css';

type Flow = FlowsUpdatedSubscription['flowsUpdated']['edges'][number]['node'];

const EXAMPLE = `mutation {
  createFlow(input: {
    name: "hello"
    tasks: [
      { name: "first", type: "echo" }
      { name: "second", type: "echo", dependsOn: ["first"] }
    ]
  }) { id }
}`;

export const FlowsPage = () => (
  <Page title="Flows">
    <Panel title="Tasks that wait for others" isFlush>
      <ul className={styles.list}>
        <Part after={null} />
      </ul>
    </Panel>
  </Page>
);

/** A page of the list, live, and those after it, once they are asked for. */
const Part = ({ after }: { after: string | null }) => {
  const [{ data, error }] = useSubscription({ query: FlowsUpdatedDocument, variables: { after } });
  const [hasMore, setHasMore] = useState(false);
  if (!data) return <li>{error ? <ErrorState error={error} /> : <Loading />}</li>;
  const { edges, pageInfo } = data.flowsUpdated;
  if (after === null && edges.length === 0) {
    return (
      <li>
        <NoFlows />
      </li>
    );
  }
  return (
    <>
      {edges.map(({ node }) => (
        <Item key={node.id} flow={node} />
      ))}
      {pageInfo.hasNextPage && !hasMore && (
        <li>
          <Button onClick={() => setHasMore(true)}>Show more flows</Button>
        </li>
      )}
      {pageInfo.hasNextPage && hasMore && <Part after={pageInfo.endCursor ?? null} />}
    </>
  );
};

const Item = ({ flow: { id, name, createdAt, counts } }: { flow: Flow }) => {
  const { waiting, scheduled, queued, processing, completed, failed, cancelled } = counts;
  const all: [TaskStatus, number][] = [
    ['WAITING', waiting],
    ['SCHEDULED', scheduled],
    ['QUEUED', queued],
    ['PROCESSING', processing],
    ['COMPLETED', completed],
    ['FAILED', failed],
    ['CANCELLED', cancelled],
  ];
  return (
    <li className={styles.item}>
      <h3>
        <Link to="/flows/$id" params={{ id }}>
          {name}
        </Link>{' '}
        <span className="muted">
          <RelativeTime at={createdAt} />
        </span>
      </h3>
      <ul className={styles.counts} aria-label={`How the tasks of ${name} stand`}>
        {all
          .filter(([, count]) => count > 0)
          .map(([status, count]) => (
            <li key={status}>
              <span className="number">{count}</span> <StatusBadge status={status} />
            </li>
          ))}
      </ul>
    </li>
  );
};

const NoFlows = () => (
  <EmptyState icon="flows" title="No flows yet" action={<CopyButton text={EXAMPLE} label="Copy an example" hasWords />}>
    A flow is a graph of tasks, some of which wait for others. Submit one with createFlow, from a program or in
    GraphiQL.
  </EmptyState>
);
