import { Link } from '@tanstack/react-router';
import { CopyButton } from '../ui/copy-button.tsx';
import { Panel } from '../ui/page.tsx';
import styles from './task-page.module.css';
import type { ShownTask } from './use-task.ts';

const MUTATION = 'mutation ($input: CreateTaskInput!) { createTask(input: $input) { id status } }';

/** What submits a task like this one: for a shell, and for a GraphQL client. */
export const SubmitAgain = ({ task }: { task: ShownTask }) => {
  const input = inputOf(task);
  const graphql = `${MUTATION}\n\n# Variables:\n${JSON.stringify({ input }, null, 2)}`;
  return (
    <Panel
      title="Submit it again"
      actions={
        <Link to="/submit" search={{ from: task.id }}>
          Change it first, in the form
        </Link>
      }
    >
      <div className={styles.snippets}>
        <Snippet name="curl" text={curlOf(input)} />
        <Snippet name="GraphQL" text={graphql} />
      </div>
    </Panel>
  );
};

const Snippet = ({ name, text }: { name: string; text: string }) => (
  <div className={styles.snippet}>
    <div className={styles.snippetHead}>
      <h3>{name}</h3>
      <CopyButton text={text} label={`Copy the ${name}`} hasWords />
    </div>
    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
    <pre tabIndex={0} role="region" aria-label={name}>
      {text}
    </pre>
  </div>
);

/** Everything that was said of it, but for what belongs to the first one alone: its key, its time, and what it waited for. */
const inputOf = (task: ShownTask): Record<string, unknown> => {
  const { type, payload, queue, priority, maxAttempts, timeoutMs, backoff, tags } = task;
  const input = { type, payload, queue, priority, maxAttempts, timeoutMs, backoff: withoutTypename(backoff), tags };
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null && value !== undefined));
};

const withoutTypename = (backoff: ShownTask['backoff']): unknown =>
  backoff &&
  Object.fromEntries(Object.entries(backoff).filter(([name, value]) => name !== '__typename' && value !== null));

const curlOf = (input: Record<string, unknown>): string => {
  const body = JSON.stringify({ query: MUTATION, variables: { input } });
  return [
    `curl -s ${location.origin}/graphql`,
    `-H 'content-type: application/json'`,
    `-H "x-api-key: $TASKFLOW_API_KEY"`,
    `-d ${quoted(body)}`,
  ].join(' \\\n  ');
};

/** For a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
