import { ownerOfReach, reachOf } from '../accounts/principal.ts';
import { cancelOperation } from '../operations/cancel-operation.ts';
import { findOperation, findOperations, OPERATION_PAGE } from '../operations/find-operations.ts';
import type { Operation, OperationKind, OperationStatus } from '../operations/operation-store.ts';
import { MAX_UNFINISHED, type OperationRequest, purgeQueue, startOperation } from '../operations/start-operation.ts';
import { watchOperation } from '../operations/watch-operations.ts';
import { toConnection } from '../tasks/page.ts';
import { checkId } from '../tasks/task-where.ts';
import { builder } from './builder.ts';
import { type Context, callerOf, requirePrincipal } from './context.ts';
import { TaskWhereType } from './tasks.ts';
import { type OwnedWhere, splitWhere } from './wanted-owner.ts';

const OperationKindType = builder.enumType('OperationKind', {
  description: 'What an operation does.',
  values: {
    RETRY: { description: 'Puts FAILED and CANCELLED tasks back.' },
    CANCEL: { description: 'Cancels tasks that have not ended.' },
    DELETE: { description: 'Deletes tasks that have ended.' },
    PURGE: { description: 'Cancels all waiting tasks of a queue.' },
  } satisfies Record<OperationKind, object>,
});

const OperationStatusType = builder.enumType('OperationStatus', {
  description: 'Where an operation stands.',
  values: {
    QUEUED: { description: 'No manager has begun with it.' },
    RUNNING: { description: 'Managers work on it.' },
    COMPLETED: { description: 'All tasks were looked at.' },
    FAILED: { description: 'A fault ended it; what was done stays done.' },
    CANCELLED: { description: 'cancelOperation ended it; what was done stays done.' },
  } satisfies Record<OperationStatus, object>,
});

const OperationType = builder.objectRef<Operation>('Operation').implement({
  description:
    'Something that is done to many tasks, chunk by chunk, by the managers. Only tasks that were submitted before it are touched. Those that have ended are kept for 30 days.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7.' }),
    kind: t.expose('kind', { type: OperationKindType, description: 'What it does.' }),
    status: t.expose('status', { type: OperationStatusType, description: 'Where it stands.' }),
    where: t.field({
      type: 'JSON',
      nullable: true,
      description: 'Which tasks, as it was asked for; null for a PURGE.',
      resolve: ({ kind, filter }) => (kind === 'PURGE' ? null : filter),
    }),
    queue: t.exposeString('queue', { nullable: true, description: 'Of a PURGE: which queue.' }),
    reason: t.string({
      nullable: true,
      description: 'Why tasks are cancelled, in the words of who asked for it.',
      resolve: ({ reason }) => {
        const { message } = Object(reason) as { message?: string };
        return message ?? null;
      },
    }),
    isDryRun: t.exposeBoolean('isDryRun', { description: 'Does it only count, and change nothing?' }),
    ownerId: t.exposeID('ownerId', { nullable: true, description: "Whose tasks; null for everybody's." }),
    actorId: t.exposeID('actorId', { description: 'The user who asked for it.' }),
    matched: t.exposeInt('matched', { description: 'How many tasks that match were looked at so far.' }),
    done: t.exposeInt('done', {
      description:
        'How many of them were retried, cancelled (running ones: told to stop) or deleted; with a dry run, how many would have been.',
    }),
    skipped: t.exposeInt('skipped', {
      description: 'How many of them were left as they are, since their state does not allow it.',
    }),
    error: t.exposeString('error', { nullable: true, description: 'Why it is FAILED.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it last went on.' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
  }),
});

builder.queryFields((t) => ({
  operation: t.field({
    type: OperationType,
    nullable: true,
    description: "One operation of the caller's; null where there is none (also where it is somebody else's).",
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { apiKey: 'TASKS_READ' },
    resolve: (_root, { id }, context) =>
      findOperation(context.services.database, reachOf(requirePrincipal(context)), id),
  }),
  operations: t.connection(
    {
      type: OperationType,
      description: `The caller's operations, newest first, at most ${OPERATION_PAGE.max} a page. Default: the first ${OPERATION_PAGE.initial}.`,
      authScopes: { apiKey: 'TASKS_READ' },
      resolve: async (_root, page, context) => {
        const reach = reachOf(requirePrincipal(context));
        return toConnection(await context.services.lists.read((database) => findOperations(database, reach, page)));
      },
    },
    { name: 'OperationConnection', description: 'A page of operations.' },
    { name: 'OperationEdge', description: 'An operation with its place among the others.' },
  ),
}));

interface BulkArgs {
  where: OwnedWhere;
  all?: boolean | null | undefined;
  dryRun?: boolean | null | undefined;
  reason?: string | null | undefined;
}

const start = (context: Context, kind: OperationRequest['kind'], args: BulkArgs) => {
  const { all, dryRun, reason } = args;
  const caller = callerOf(context);
  const { where, wanted } = splitWhere(caller.principal, args.where);
  return startOperation(context.services.database, caller, {
    kind,
    where,
    ownerId: ownerOfReach(wanted),
    all: all ?? false,
    isDryRun: dryRun ?? false,
    reason,
  });
};

const HOW = `The answer comes at once; operationUpdated shows how far it is. One user has at most ${MAX_UNFINISHED} that have not ended.`;

builder.mutationFields((t) => {
  const where = t.arg({
    type: TaskWhereType,
    required: true,
    description: "Which of the caller's tasks (for an admin: everybody's). An empty filter takes `all: true`.",
  });
  const all = t.arg.boolean({ defaultValue: false, description: 'Confirms that an empty filter means all tasks.' });
  const dryRun = t.arg.boolean({ defaultValue: false, description: 'Only count what would be done.' });
  const reason = t.arg.string({ description: 'Why, for the events of the tasks; at most 1,000 characters.' });
  return {
    retryTasks: t.field({
      type: OperationType,
      description: `Puts all FAILED and CANCELLED tasks that match back, with their attempts counted anew; not those of queues that are draining. ${HOW}`,
      args: { where, all, dryRun },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, args, context) => start(context, 'RETRY', args),
    }),
    cancelTasks: t.field({
      type: OperationType,
      description: `Cancels all tasks that match and have not ended. Running ones are told to stop, as cancelTask does. ${HOW}`,
      args: { where, all, reason, dryRun },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, args, context) => start(context, 'CANCEL', args),
    }),
    deleteTasks: t.field({
      type: OperationType,
      description: `Deletes all tasks that match and have ended, with their events and log lines: they are null, then, and taskChanges passes over them. ${HOW}`,
      args: { where, all, dryRun },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, args, context) => start(context, 'DELETE', args),
    }),
    purgeQueue: t.field({
      type: OperationType,
      description:
        'Cancels all waiting tasks of a queue, whosever they are; running ones go on. Tasks that are submitted later stay.',
      args: { name: t.arg.string({ required: true, description: 'Its name.' }), reason },
      authScopes: { apiKey: 'QUEUES_ADMIN' },
      resolve: (_root, args, context) =>
        purgeQueue(context.services.database, callerOf(context), args.name, args.reason),
    }),
    cancelOperation: t.field({
      type: OperationType,
      description: 'Ends an operation after the chunk that is under way. What it has done stays done.',
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, { id }, context) => cancelOperation(context.services, callerOf(context), checkId(id)),
    }),
  };
});

builder.subscriptionField('operationUpdated', (t) =>
  t.field({
    type: OperationType,
    description:
      'An operation as it is now, then whenever it has gone on, at most four times a second; completes when it has ended.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { apiKey: 'TASKS_READ' },
    subscribe: (_root, { id }, context) => watchOperation(context.services, reachOf(requirePrincipal(context)), id),
    resolve: (operation) => operation,
  }),
);
