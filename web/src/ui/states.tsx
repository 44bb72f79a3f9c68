import type { CombinedError } from '@urql/core';
import type { ReactNode } from 'react';
import { problemOf } from '../live/problem.ts';
import { Button } from './button.tsx';
import { classes } from './classes.ts';
import { Icon, type IconName } from './icon.tsx';
import styles from './states.module.css';

interface EmptyStateProps {
  icon?: IconName;
  title: string;
  /** What will be here, and how it gets here. */
  children?: ReactNode;
  /** A button or a link that makes the first one. */
  action?: ReactNode;
}

/** Nothing is there yet, or nothing matches. */
export const EmptyState = ({ icon, title, children, action }: EmptyStateProps) => (
  <div className={styles.state}>
    {icon && <Icon name={icon} />}
    <h2>{title}</h2>
    {children && <p>{children}</p>}
    {action && <div className={styles.actions}>{action}</div>}
  </div>
);

/** Something could not be loaded: what the API said, and what to do about it. */
export const ErrorState = ({ error, onRetry }: { error: CombinedError; onRetry?: () => void }) => {
  const { message, help, code } = problemOf(error);
  return (
    <div className={styles.state} role="alert">
      <span className={styles.error}>
        <Icon name="warning" />
      </span>
      <h2>{message}</h2>
      <p>
        {help} <span className="mono">{code}</span>
      </p>
      {onRetry && (
        <div className={styles.actions}>
          <Button icon="retry" onClick={onRetry}>
            Try again
          </Button>
        </div>
      )}
    </div>
  );
};

/** What is loading takes a moment to show up: quick answers do not flicker. */
export const Loading = () => (
  <div className={styles.loading} role="status">
    <span className="visually-hidden">Loading</span>
    <div className={classes(styles.bar)} />
    <div className={classes(styles.bar)} />
    <div className={classes(styles.bar)} />
  </div>
);
