import { Link } from '@tanstack/react-router';
import { Panel } from '../ui/page.tsx';
import { StatusBadge } from '../ui/status-badge.tsx';
import type { RelatedTaskFragment } from './task.generated.ts';
import styles from './task-page.module.css';
import type { ShownTask } from './use-task.ts';

/** The tasks that it waits for, and those that wait for it, as they stand now. */
export const TaskRelations = ({ task: { dependsOn, dependents } }: { task: ShownTask }) => {
  if (dependsOn.length === 0 && dependents.length === 0) return null;
  return (
    <Panel title="Dependencies">
      <div className={styles.relations}>
        {dependsOn.length > 0 && (
          <section aria-label="Waits for">
            <h3>Waits for</h3>
            <ul>
              {dependsOn.map(({ task, name, status }, i) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: their order stays, and what is not kept has no id
                <li key={i}>
                  {task ? (
                    <Related task={task} name={name ?? undefined} />
                  ) : (
                    <span>A task that is not kept any more</span>
                  )}
                  {status && task?.status !== status && (
                    <span className="muted"> when it counted: {status.toLowerCase()}</span>
                  )}
                </li>
              ))}
            </ul>
          </section>
        )}
        {dependents.length > 0 && (
          <section aria-label="Awaited by">
            <h3>Awaited by</h3>
            <ul>
              {dependents.map((task) => (
                <li key={task.id}>
                  <Related task={task} />
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </Panel>
  );
};

const Related = ({ task: { id, type, status }, name }: { task: RelatedTaskFragment; name?: string | undefined }) => (
  <>
    <StatusBadge status={status} />{' '}
    <Link to="/tasks/$id" params={{ id }}>
      {name ?? type} <span className="mono muted">{id.slice(-12)}</span>
    </Link>
  </>
);
