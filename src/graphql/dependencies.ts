import { isWithinReach, readingReachOf } from '../accounts/principal.ts';
import { badInput } from '../errors.ts';
import { MAX_DEPENDENTS } from '../flows/flow-loaders.ts';
import type { Dependency } from '../flows/flow-store.ts';
import type { TaskSummary } from '../tasks/find-tasks.ts';
import { MAX_PARENTS } from '../tasks/new-task.ts';
import { builder } from './builder.ts';
import { type Context, requireReader } from './context.ts';
import type { ListExtensions } from './query-cost.ts';
import { ParentFailureActionType, TaskStatusType, TaskType } from './tasks.ts';

/** A task that another one leads to; null where it is not kept any more, or out of the caller's reach. */
export const loadWithinReach = async (context: Context, id: string): Promise<TaskSummary | null> => {
  const task = await context.services.loaders.summary.load(id);
  return task && isWithinReach(readingReachOf(requireReader(context)), task) ? task : null;
};

const loadAllWithinReach = async (context: Context, ids: readonly string[]): Promise<TaskSummary[]> =>
  (await Promise.all(ids.map((id) => loadWithinReach(context, id)))).filter((task) => task !== null);

/** The beginning of a list. @throws TaskFlowError BAD_USER_INPUT for a negative number */
export const firstOf = <T>(list: readonly T[], first: number | null | undefined): readonly T[] => {
  if ((first ?? 0) < 0) throw badInput('first', 'first must not be negative.');
  return first === null || first === undefined ? list : list.slice(0, first);
};

const TaskDependencyType = builder.objectRef<Dependency>('TaskDependency').implement({
  description: 'That a task waits for another, or waited.',
  fields: (t) => ({
    name: t.exposeString('name', {
      nullable: true,
      description: 'The name in the flow of the task that is waited for.',
    }),
    onParentFailure: t.expose('onFailure', {
      type: ParentFailureActionType,
      description: 'What becomes of the waiting one when the other fails or is cancelled.',
    }),
    status: t.expose('status', {
      type: TaskStatusType,
      nullable: true,
      description:
        'How the other one ended; null before that. A retry of it changes nothing before this one is retried, too.',
    }),
    task: t.field({
      type: TaskType,
      nullable: true,
      description: 'The one that is waited for; null when it is not kept any more.',
      resolve: ({ parentId }, _args, context) => loadWithinReach(context, parentId),
    }),
  }),
});

builder.objectFields(TaskType, (t) => ({
  dependsOn: t.field({
    type: [TaskDependencyType],
    description: 'What it waits for, or waited, in the order in which it was said.',
    args: { first: t.arg.int({ description: 'How many. Default: all.' }) },
    extensions: { maxLength: MAX_PARENTS } satisfies ListExtensions,
    resolve: async ({ id }, { first }, context) => {
      const dependencies = firstOf(await context.services.flowLoaders.dependencies.load(id), first);
      if (!requireReader(context).watched) return dependencies;
      // With a watch token, what is out of reach is not even named.
      const seen = await Promise.all(dependencies.map(({ parentId }) => loadWithinReach(context, parentId)));
      return dependencies.filter((_, i) => seen[i]);
    },
  }),
  dependents: t.field({
    type: [TaskType],
    description: `Tasks that wait for it, or waited: the first ${MAX_DEPENDENTS} that were submitted.`,
    args: { first: t.arg.int({ description: `How many. Default: ${MAX_DEPENDENTS}.` }) },
    extensions: { maxLength: MAX_DEPENDENTS } satisfies ListExtensions,
    resolve: async ({ id }, { first }, context) =>
      loadAllWithinReach(context, firstOf(await context.services.flowLoaders.dependents.load(id), first)),
  }),
}));
