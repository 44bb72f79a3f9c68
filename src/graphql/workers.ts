import { findWorkers, type LiveWorker } from '../queues/find-workers.ts';
import { ONLY_KEY } from '../realtime/state-watcher.ts';
import { decodeBackoff } from '../tasks/backoff.ts';
import type { KnownType } from '../tasks/task-types.ts';
import type { TypeDefaults } from '../tasks/type-defaults.ts';
import { builder } from './builder.ts';
import { BackoffType } from './tasks.ts';

const WorkerAttemptsType = builder.objectRef<NonNullable<LiveWorker['attempts']>>('WorkerAttempts').implement({
  description: 'How many attempts of a worker ended how, since its start, as of its last heartbeat.',
  fields: (t) => ({
    completed: t.exposeInt('completed', { description: 'With a result.' }),
    retried: t.exposeInt('retried', { description: 'With an error, and the task is tried again.' }),
    failed: t.exposeInt('failed', { description: 'With an error, and the task has failed.' }),
    released: t.exposeInt('released', { description: 'Handed back, since the worker stopped.' }),
    lost: t.exposeInt('lost', { description: 'Given to another, since the worker had fallen silent.' }),
  }),
});

const WorkerType = builder.objectRef<LiveWorker>('Worker').implement({
  description: 'A process that runs tasks, and lives.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'New at each start.' }),
    language: t.exposeString('language', { description: 'What it is written in.' }),
    host: t.exposeString('host', { description: 'The machine it runs on.' }),
    version: t.exposeString('version', { nullable: true, description: 'Of its program.' }),
    types: t.exposeStringList('types', { nullable: true, description: 'Which task types it can run.' }),
    queues: t.exposeStringList('queues', { description: 'Which queues it serves; "*" for all.' }),
    concurrency: t.exposeInt('concurrency', { description: 'How many tasks it runs at once, at most.' }),
    running: t.exposeInt('running', { description: 'How many it ran at its last heartbeat.' }),
    attempts: t.expose('attempts', {
      type: WorkerAttemptsType,
      nullable: true,
      description: 'How its attempts ended, as of its last heartbeat; null for a worker that does not say.',
    }),
    lastHeartbeatAt: t.expose('lastHeartbeatAt', { type: 'DateTime', description: 'When it last said that it lives.' }),
  }),
});

const TaskTypeDefaultsType = builder.objectRef<TypeDefaults>('TaskTypeDefaults').implement({
  description: 'What tasks of a type get where their submission does not say.',
  fields: (t) => ({
    maxAttempts: t.int({
      nullable: true,
      description: 'How often they are tried, where `maxAttempts` is null; null: 3.',
      resolve: ({ maxAttempts }) => maxAttempts ?? null,
    }),
    timeoutMs: t.int({
      nullable: true,
      description: 'How long one attempt may take, in ms; null: as long as it likes.',
      resolve: ({ timeoutMs }) => timeoutMs ?? null,
    }),
    backoff: t.field({
      type: BackoffType,
      nullable: true,
      description: 'How long they wait between attempts; null: 1 s, doubled each time.',
      resolve: ({ backoff }) => decodeBackoff(backoff ?? null),
    }),
  }),
});

const TaskTypeType = builder.objectRef<KnownType>('TaskType').implement({
  description: 'A kind of task that workers know how to run.',
  fields: (t) => ({
    type: t.exposeString('type', { description: 'Its name, for createTask.' }),
    payloadSchema: t.field({
      type: 'JSON',
      nullable: true,
      description: 'The JSON Schema of its payload; null where any will do.',
      resolve: ({ payloadSchema }) => payloadSchema,
    }),
    defaults: t.expose('defaults', {
      type: TaskTypeDefaultsType,
      description: 'What its tasks get where their submission does not say.',
    }),
  }),
});

builder.queryFields((t) => ({
  workers: t.field({
    type: [WorkerType],
    description: 'The workers that live: those that missed three heartbeats are left out.',
    authScopes: { apiKey: 'TASKS_READ' },
    resolve: (_root, _args, { services }) => findWorkers(services.broker, services.logger),
  }),
  taskTypes: t.field({
    type: [TaskTypeType],
    description: 'Task types that workers have announced, with the JSON Schema of their payload.',
    authScopes: { apiKey: 'TASKS_READ' },
    resolve: (_root, _args, { services }) => services.taskTypes.list(),
  }),
}));

builder.subscriptionField('workersUpdated', (t) =>
  t.field({
    type: [WorkerType],
    description: 'The workers that live: now, then whenever the list has changed, at most once a second.',
    authScopes: { apiKey: 'TASKS_READ' },
    subscribe: (_root, _args, { services }) => services.workerWatcher.watch(ONLY_KEY),
    resolve: (workers) => workers,
  }),
);
