import { auditAdminAction } from '../accounts/audit.ts';
import { reachOf } from '../accounts/principal.ts';
import { cancelTask } from '../tasks/cancel-task.ts';
import { retryTask } from '../tasks/retry-tasks.ts';
import { builder } from './builder.ts';
import { callerOf } from './context.ts';
import { TaskType } from './tasks.ts';

builder.mutationFields((t) => ({
  cancelTask: t.field({
    type: TaskType,
    description:
      'Cancels a task. A waiting one ends at once. A running one is told to stop and ends as CANCELLED once its worker let go, or after a grace period.',
    args: {
      id: t.arg.id({ required: true, description: 'Which task.' }),
      reason: t.arg.string({ description: 'Why, for its events; at most 1,000 characters.' }),
    },
    authScopes: { apiKey: 'TASKS_WRITE' },
    resolve: async (_root, { id, reason }, context) => {
      const caller = callerOf(context);
      const task = await cancelTask(context.services, reachOf(caller.principal), id, reason);
      await auditAdminAction(context.services.database, caller, 'TASK_CANCELLED', task);
      return task;
    },
  }),
  retryTask: t.field({
    type: TaskType,
    description:
      'Puts a FAILED or CANCELLED task back, with its attempts counted anew. It is WAITING again for those of its parents that have not ended; those that failed or were cancelled do not hold it up.',
    args: { id: t.arg.id({ required: true, description: 'Which task.' }) },
    authScopes: { apiKey: 'TASKS_WRITE' },
    resolve: async (_root, { id }, context) => {
      const caller = callerOf(context);
      const task = await retryTask(context.services, reachOf(caller.principal), id);
      await auditAdminAction(context.services.database, caller, 'TASK_RETRIED', task);
      return task;
    },
  }),
}));
