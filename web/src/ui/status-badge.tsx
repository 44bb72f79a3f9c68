import type { TaskStatus } from '../schema.generated.ts';
import { classes } from './classes.ts';
import styles from './status-badge.module.css';

/** As people read them. */
export const STATUS_NAMES: Record<TaskStatus, string> = {
  SCHEDULED: 'Scheduled',
  WAITING: 'Waiting',
  QUEUED: 'Queued',
  PROCESSING: 'Processing',
  COMPLETED: 'Completed',
  FAILED: 'Failed',
  CANCELLED: 'Cancelled',
};

/** Where a task stands, in words and colour. */
export const StatusBadge = ({ status }: { status: TaskStatus }) => (
  <span className={classes(styles.badge, styles[status])}>{STATUS_NAMES[status]}</span>
);
