import { actorOf } from '../accounts/audit.ts';
import { insertAuditEntry } from '../accounts/audit-store.ts';
import { isLogin } from '../accounts/principal.ts';
import { TaskFlowError } from '../errors.ts';
import { findQueue, findQueues, type Queue, type QueueCounts, readQueue } from '../queues/find-queues.ts';
import { setQueuePaused } from '../queues/pause-queue.ts';
import { checkQueueName } from '../queues/queue-name.ts';
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
    counts: t.field({
      type: QueueCountsType,
      description: 'How many tasks stand where.',
      resolve: ({ counts }) => counts,
    }),
  }),
});

builder.queryFields((t) => ({
  queues: t.field({
    type: [QueueType],
    description: 'The queues that have unfinished tasks, or in which something ended over the last 24 hours, by name.',
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
    resolve: (_root, { name }, context) => changePause(context, name, true),
  }),
  resumeQueue: t.field({
    type: QueueType,
    description: 'Its waiting tasks are claimed again, at once.',
    args: { name: t.arg.string({ required: true, description: 'Its name.' }) },
    authScopes: { apiKey: 'QUEUES_ADMIN' },
    resolve: (_root, { name }, context) => changePause(context, name, false),
  }),
}));

/** Queues are shared by all owners: a login must be an admin's. */
const changePause = async (context: Context, name: string, isPaused: boolean): Promise<Queue> => {
  const { services } = context;
  const caller = callerOf(context);
  if (isLogin(caller.principal) && !caller.principal.isAdmin) {
    throw new TaskFlowError('FORBIDDEN', 'This takes an admin, or an API key with the scope QUEUES_ADMIN.');
  }
  await setQueuePaused(services, name, isPaused);
  const action = isPaused ? 'QUEUE_PAUSED' : 'QUEUE_RESUMED';
  await insertAuditEntry(services.database, { ...actorOf(caller), action, target: name });
  return readQueue(services, name);
};

builder.subscriptionField('queueUpdated', (t) =>
  t.field({
    type: QueueType,
    description: 'Counts of a queue, whenever they change, at most four times a second.',
    args: { name: t.arg.string({ required: true, description: 'Its name.' }) },
    authScopes: { signedIn: true },
    subscribe: (_root, { name }, { services }) => services.queueWatcher.watch(checkQueueName(name)),
    resolve: (queue) => queue,
  }),
);
