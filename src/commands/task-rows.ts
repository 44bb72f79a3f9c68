import { type Column, statusStyle } from './output.ts';
import { age, duration } from './text.ts';

/** A task as lists show it. */
export interface TaskRow {
  id: string;
  type: string;
  queue: string;
  priority: string;
  status: string;
  attempt: number;
  maxAttempts: number;
  progress: number | null;
  error: { message: string; code: string | null } | null;
  cancelReason: string | null;
  tags: string[];
  createdAt: string;
  runAt: string | null;
  startedAt: string | null;
  finishedAt: string | null;
}

export const TASK_ROW_FIELDS = `id type queue priority status attempt maxAttempts progress error { message code }
  cancelReason tags createdAt runAt startedAt finishedAt`;

/** The columns of a list of tasks. */
export const TASK_COLUMNS: readonly Column<TaskRow>[] = [
  { head: 'ID', value: ({ id }) => id },
  { head: 'TYPE', value: ({ type }) => type },
  { head: 'QUEUE', value: ({ queue }) => queue },
  { head: 'STATUS', value: ({ status }) => status, style: ({ status }) => statusStyle(status) },
  { head: 'TRY', value: ({ attempt, maxAttempts }) => `${attempt}/${maxAttempts}`, align: 'right' },
  { head: 'AGE', value: ({ createdAt }) => age(createdAt), align: 'right' },
  { head: 'TOOK', value: (task) => took(task), align: 'right' },
  { head: 'NOTE', value: (task) => noteOf(task) },
];

const took = ({ startedAt, finishedAt }: TaskRow): string =>
  startedAt && finishedAt ? duration(Date.parse(finishedAt) - Date.parse(startedAt)) : '';

const noteOf = ({ error, cancelReason, progress, status }: TaskRow): string => {
  if (status === 'PROCESSING') return progress === null ? '' : `${Math.round(progress)} %`;
  return cancelReason ?? error?.message ?? '';
};
