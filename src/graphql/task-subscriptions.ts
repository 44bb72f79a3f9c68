import { readingReachOf } from '../accounts/principal.ts';
import { badInput } from '../errors.ts';
import { cursorOfChange, readChangesCursor, type WatchedChange, watchChanges } from '../tasks/watch-changes.ts';
import { toEvent, watchTask, watchTaskEvents } from '../tasks/watch-tasks.ts';
import { builder } from './builder.ts';
import { requireReader } from './context.ts';
import { selects } from './selection.ts';
import { largeParts, TaskEventType, TaskType, TaskWhereType } from './tasks.ts';

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

builder.queryFields((t) => ({
  taskChangesCursor: t.string({
    description:
      'The cursor of the last change so far. Whoever asks for it, then loads anything about tasks in a later request, and then follows taskChanges(after: <this>) has missed nothing. A page of `tasks` has one of its own, in the same request.',
    authScopes: { reader: true },
    resolve: (_root, _args, context) => readChangesCursor(context.services.database, requireReader(context).userId),
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
      "Transitions of all the caller's tasks that match; resumable: `after` takes the cursor of the last one seen. The status in `where` is that of the transition.",
    args: {
      where: t.arg({ type: TaskWhereType, description: 'Which of them. Default: all.' }),
      after: t.arg.string({ description: 'The cursor of the last one seen. Default: from now on.' }),
    },
    authScopes: { reader: true },
    subscribe: (_root, { where, after }, context, info) => {
      // Also an admin's feed is the admin's own: positions are counted by owner, so that there is none of everybody.
      const { userId, watched } = requireReader(context);
      const withTask = selects(info, 'task');
      return watchChanges(context.services, userId, { where: where ?? {}, after, withTask, watched });
    },
    resolve: (change) => change,
  }),
}));
