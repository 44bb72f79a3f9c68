import { type Principal, readingReachOf, type WatchedTasks } from '../accounts/principal.ts';
import { badInput } from '../errors.ts';
import { cursorOfChange, readChangesCursor, type WatchedChange, watchChanges } from '../tasks/watch-changes.ts';
import { toEvent, watchTask, watchTaskEvents } from '../tasks/watch-tasks.ts';
import { builder } from './builder.ts';
import { requireReader } from './context.ts';
import { selects } from './selection.ts';
import { largeParts, TaskEventType, TaskType, TaskWhereType } from './tasks.ts';
import { splitWhere, wantedReach } from './wanted-owner.ts';

const TaskChangeType = builder.objectRef<WatchedChange>('TaskChange').implement({
  description: 'A transition of one of the tasks that are watched.',
  fields: (t) => ({
    cursor: t.string({
      description: 'Its place among all; taskChanges goes on after it.',
      resolve: ({ change }) => cursorOfChange(change),
    }),
    event: t.field({ type: TaskEventType, description: 'The transition.', resolve: ({ change }) => toEvent(change) }),
    task: t.field({
      type: TaskType,
      description: 'The task as of this transition.',
      resolve: ({ change, task }) => {
        if (!task) throw new Error(`the task of change ${change.position} of ${change.ownerId} was not asked for`);
        return task;
      },
    }),
  }),
});

/** Whose changes, and which of them may be seen. */
const followed = (principal: Principal, wanted: string | WatchedTasks | undefined) => {
  const reach = wanted ?? principal.watched ?? principal.userId;
  return typeof reach === 'object'
    ? { ownerId: reach.ownerId, watched: reach }
    : { ownerId: reach, watched: undefined };
};

builder.queryFields((t) => ({
  taskChangesCursor: t.string({
    description:
      'The cursor of the last change so far. Whoever asks for it, then loads anything about tasks in a later request, and then follows taskChanges(after: <this>) has missed nothing. A page of `tasks` has one of its own, in the same request.',
    args: {
      ownerId: t.arg.id({
        description: "Whose; another's than one's own takes the login of an admin. Default: the caller's.",
      }),
    },
    authScopes: { reader: true },
    resolve: (_root, { ownerId }, context) => {
      const principal = requireReader(context);
      const wanted = wantedReach(principal, ownerId, 'ownerId');
      return readChangesCursor(context.services.database, followed(principal, wanted).ownerId);
    },
  }),
}));

builder.subscriptionFields((t) => ({
  taskUpdated: t.field({
    type: TaskType,
    description: 'The task as it is now, then as of every later transition, in order; completes after the last one.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { reader: true },
    subscribe: (_root, { id }, context, info) =>
      watchTask(context.services, readingReachOf(requireReader(context)), id, largeParts(info)),
    resolve: (task) => task,
  }),
  taskEvents: t.field({
    type: TaskEventType,
    description:
      'Every transition with seq > afterSeq, in order, each once, past ones first; completes after the last one.',
    args: {
      id: t.arg.id({ required: true, description: 'Whose transitions.' }),
      afterSeq: t.arg.int({ defaultValue: 0, description: 'The seq of the last one seen.' }),
    },
    authScopes: { reader: true },
    subscribe: (_root, { id, afterSeq }, context) => {
      if ((afterSeq ?? 0) < 0) throw badInput('afterSeq', 'afterSeq must not be negative.');
      return watchTaskEvents(context.services, readingReachOf(requireReader(context)), id, afterSeq ?? 0);
    },
    resolve: (event) => event,
  }),
  taskChanges: t.field({
    type: TaskChangeType,
    description:
      "Transitions of all the caller's tasks that match; resumable: `after` takes the cursor of the last one seen. The status in `where` is that of the transition. Places are counted by owner, so there are no changes of everybody's: an admin's are the admin's own, or those of `where.ownerId`.",
    args: {
      where: t.arg({ type: TaskWhereType, description: 'Which of them. Default: all.' }),
      after: t.arg.string({
        description: 'The cursor of the last one seen, of the same owner. Default: from now on.',
      }),
    },
    authScopes: { reader: true },
    subscribe: (_root, { where: filter, after }, context, info) => {
      const principal = requireReader(context);
      const { where, wanted } = splitWhere(principal, filter);
      const { ownerId, watched } = followed(principal, wanted);
      return watchChanges(context.services, ownerId, { where, after, withTask: selects(info, 'task'), watched });
    },
    resolve: (change) => change,
  }),
}));
