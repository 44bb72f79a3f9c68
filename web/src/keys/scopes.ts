import type { ApiKeyScope } from '../schema.generated.ts';

interface Scope {
  label: string;
  hint: string;
  /** Only admins give it. */
  isForAdmins: boolean;
}

/** In the order in which they are offered. */
export const SCOPES: Record<ApiKeyScope, Scope> = {
  TASKS_READ: { label: 'Read tasks', hint: 'Reads and watches tasks, queues and workers.', isForAdmins: false },
  TASKS_WRITE: { label: 'Write tasks', hint: 'Submits and changes tasks, flows and schedules.', isForAdmins: false },
  KEYS_ADMIN: {
    label: 'Manage keys',
    hint: 'Makes, lists, rotates and revokes keys, with no more scopes than its own.',
    isForAdmins: false,
  },
  QUEUES_ADMIN: { label: 'Manage queues', hint: 'Pauses and resumes queues.', isForAdmins: true },
  WORKER: { label: 'Work', hint: 'Works on everybody’s tasks, through GraphQL.', isForAdmins: true },
};
