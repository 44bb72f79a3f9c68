import { actorOf } from '../accounts/audit.ts';
import type { AuditAction } from '../accounts/audit-actions.ts';
import { insertAuditEntry } from '../accounts/audit-store.ts';
import { requireAdminsLogin } from '../accounts/principal.ts';
import { changeQueue } from '../queues/change-queue.ts';
import { findQueue, findQueues, type Queue, type QueueCounts, readQueue } from '../queues/find-queues.ts';
import { checkQueueName } from '../queues/queue-name.ts';
import type { QueueSettings } from '../queues/queue-store.ts';
import { ONLY_KEY } from '../realtime/state-watcher.ts';
import { builder } from './builder.ts';
import { type Context, callerOf } from './context.ts';

const QueueCountsType = builder.objectRef<QueueCounts>('QueueCounts').implement({
  description:
    'scheduled, queued and processing: now. completed and failed: over the last 24 hours, counted in the transaction that records them.',
  fields: (t) => ({
    scheduled: t.exposeInt('scheduled', { description: 'Not due yet, or waiting for their retry.' }),
    queued: t.exposeInt('queued', { description: 'Waiting for a worker.' }),
    processing: t.exposeInt('processing', { description: 'Being run.' }),
    completed: t.exposeInt('completed', { description: 'Completed over the last 24 hours.' }),
    failed: t.exposeInt('failed', { description: 'Failed for good over the last 24 hours.' }),
  }),
});

const QueueType = builder.objectRef<Queue>('Queue').implement({
  description: 'A named line of tasks, shared by all owners: whoever is signed in sees names and counts.',
  fields: (t) => ({
    name: t.exposeString('name', { description: '1 to 64 of a-z, 0-9, ".", "_", "-".' }),
    isPaused: t.exposeBoolean('isPaused', { description: 'Are its tasks held back?' }),
    isDraining: t.exposeBoolean('isDraining', {
      description: 'Does it take no new tasks? Those that are there are worked on.',
    }),
    counts: t.field({
      type: QueueCountsType,
      description: 'How many tasks stand where.',
      resolve: ({ counts }) => counts,
    }),
    oldestQueuedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'Since when its oldest waiting task has been QUEUED; null for none. It is looked for among those that are next; subscriptions may show it as it was a second ago.',
      resolve: (queue, _args, { services: { queueAges } }, { operation }) => {
        if (queue.oldestQueuedAt !== undefined) return queue.oldestQueuedAt;
        return operation.operation === 'subscription' ? queueAges.lately(queue) : queueAges.now.load(queue.name);
      },
    }),
  }),
});

builder.queryFields((t) => ({
  queues: t.field({
    type: [QueueType],
    description:
      'The queues that have unfinished tasks, in which something ended over the last 24 hours, or that are paused or draining; by name.',
    authScopes: { signedIn: true },
    resolve: (_root, _args, { services }) => findQueues(services),
  }),
  queue: t.field({
    type: QueueType,
    nullable: true,
    description: 'One queue; null where no task was ever in it.',
    args: { name: t.arg.string({ required: true, description: 'Its name.' }) },
    authScopes: { signedIn: true },
    resolve: (_root, { name }, { services }) => findQueue(services, checkQueueName(name)),
  }),
}));

builder.mutationFields((t) => ({
  pauseQueue: t.field({
    type: QueueType,
    description: 'Nothing more is claimed from the queue; tasks that run go on, and submissions are accepted.',
    args: { name: t.arg.string({ required: true, description: 'Its name.' }) },
    authScopes: { apiKey: 'QUEUES_ADMIN' },
    resolve: (_root, { name }, context) => change(context, name, { isPaused: true }, 'QUEUE_PAUSED'),
  }),
  drainQueue: t.field({
    type: QueueType,
    description:
      'The queue takes no new tasks: within a second, submissions to it are a CONFLICT, and so is retryTask. What is there is worked on to its end, with its further attempts; schedules say in lastError that they could make no task. resumeQueue ends it.',
    args: { name: t.arg.string({ required: true, description: 'Its name.' }) },
    authScopes: { apiKey: 'QUEUES_ADMIN' },
    resolve: (_root, { name }, context) => change(context, name, { isDraining: true }, 'QUEUE_DRAINED'),
  }),
  resumeQueue: t.field({
    type: QueueType,
    description: 'Ends a pause, and a drain: its waiting tasks are claimed again, at once, and it takes new ones.',
    args: { name: t.arg.string({ required: true, description: 'Its name.' }) },
    authScopes: { apiKey: 'QUEUES_ADMIN' },
    resolve: (_root, { name }, context) =>
      change(context, name, { isPaused: false, isDraining: false }, 'QUEUE_RESUMED'),
  }),
}));

const change = async (
  context: Context,
  name: string,
  changes: Partial<QueueSettings>,
  action: AuditAction,
): Promise<Queue> => {
  const { services } = context;
  const caller = callerOf(context);
  requireAdminsLogin(caller.principal, 'QUEUES_ADMIN');
  await changeQueue(services, name, changes);
  await insertAuditEntry(services.database, { ...actorOf(caller), action, target: name });
  return readQueue(services, name);
};

builder.subscriptionFields((t) => ({
  queueUpdated: t.field({
    type: QueueType,
    description: 'Counts of a queue, whenever they change, at most four times a second.',
    args: { name: t.arg.string({ required: true, description: 'Its name.' }) },
    authScopes: { signedIn: true },
    subscribe: (_root, { name }, { services }) => services.queueWatcher.watch(checkQueueName(name)),
    resolve: (queue) => queue,
  }),
  queuesUpdated: t.field({
    type: [QueueType],
    description: 'The queues, as `queues` lists them: now, then whenever they have changed, at most once a second.',
    authScopes: { signedIn: true },
    subscribe: (_root, _args, { services }) => services.queueListWatcher.watch(ONLY_KEY),
    resolve: (queues) => queues,
  }),
}));
