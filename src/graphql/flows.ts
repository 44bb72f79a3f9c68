import { reachOf } from '../accounts/principal.ts';
import { type FlowInput, type FlowTaskInput, MAX_FLOW_TASKS } from '../flows/check-flow.ts';
import { createFlow } from '../flows/create-flow.ts';
import { cursorOfFlowTask, FLOW_PAGE, findFlow, findFlows, pageOfFlowTasks } from '../flows/find-flows.ts';
import type { FlowCounts } from '../flows/flow-loaders.ts';
import type { Flow, FlowTask } from '../flows/flow-store.ts';
import type { CountedFlow } from '../flows/watch-flows.ts';
import { DEFAULT_PAGE, MAX_PAGE } from '../tasks/find-tasks.ts';
import { connectionOf, toConnection } from '../tasks/page.ts';
import { builder } from './builder.ts';
import { requirePrincipal, requireReader } from './context.ts';
import { firstOf, loadWithinReach } from './dependencies.ts';
import type { ListExtensions } from './query-cost.ts';
import { submitFields, TaskType, withDefaults } from './tasks.ts';

const FlowCountsType = builder.objectRef<FlowCounts>('FlowCounts').implement({
  description: 'How many tasks of a flow stand where; those that are no longer kept are not counted.',
  fields: (t) => ({
    scheduled: t.exposeInt('SCHEDULED', { description: 'Not due yet, or waiting for their retry.' }),
    waiting: t.exposeInt('WAITING', { description: 'Waiting for others.' }),
    queued: t.exposeInt('QUEUED', { description: 'Waiting for a worker.' }),
    processing: t.exposeInt('PROCESSING', { description: 'Being run.' }),
    completed: t.exposeInt('COMPLETED', { description: 'Ended well.' }),
    failed: t.exposeInt('FAILED', { description: 'Ended without attempts left.' }),
    cancelled: t.exposeInt('CANCELLED', { description: 'Cancelled, by somebody or because of a parent.' }),
  }),
});

const FlowTaskType = builder.objectRef<FlowTask>('FlowTask').implement({
  description: 'A task with its name in the flow.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What the other tasks of the flow call it.' }),
    task: t.field({
      type: TaskType,
      nullable: true,
      description: 'The task; null when it is not kept any more.',
      resolve: ({ taskId }, _args, context) => loadWithinReach(context, taskId),
    }),
    dependsOn: t.stringList({
      description: 'The names of those that it waits for, or waited.',
      resolve: async ({ taskId }, _args, { services }) =>
        (await services.flowLoaders.dependencies.load(taskId)).flatMap(({ name }) => name ?? []),
    }),
  }),
});

const FlowType = builder.objectRef<Flow | CountedFlow>('Flow').implement({
  description: 'Tasks that were submitted together, some of which wait for others.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7: later flows have greater ids.' }),
    name: t.exposeString('name', { description: 'What its submitter calls it. Several may have the same name.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was submitted.' }),
    counts: t.field({
      type: FlowCountsType,
      description: 'How many of its tasks stand where.',
      resolve: (flow, _args, { services }) =>
        'counts' in flow ? flow.counts : services.flowLoaders.countsOfFlow.load(flow.id),
    }),
    tasks: t.field({
      type: [FlowTaskType],
      description: 'Its tasks, in the order in which they were submitted.',
      args: { first: t.arg.int({ description: 'How many. Default: all.' }) },
      extensions: { maxLength: MAX_FLOW_TASKS } satisfies ListExtensions,
      resolve: async ({ id }, { first }, { services }) =>
        firstOf(await services.flowLoaders.tasksOfFlow.load(id), first),
    }),
    taskPage: t.connection(
      {
        type: FlowTaskType,
        description: `As tasks, a page at a time: at most ${MAX_PAGE}. Default: the first ${DEFAULT_PAGE}.`,
        resolve: async ({ id }, page, { services }) =>
          connectionOf(pageOfFlowTasks(await services.flowLoaders.tasksOfFlow.load(id), page), cursorOfFlowTask),
      },
      { name: 'FlowTaskConnection', description: 'A page of the tasks of a flow.' },
      { name: 'FlowTaskEdge', description: 'A task of a flow with its place among the others.' },
    ),
  }),
});

builder.objectField(TaskType, 'flow', (t) =>
  t.field({
    type: FlowType,
    nullable: true,
    description: 'The flow that it was submitted with, if it was. Watch tokens do not show it.',
    resolve: ({ id }, _args, context) =>
      requireReader(context).watched ? null : context.services.flowLoaders.flowOfTask.load(id),
  }),
);

const FlowConnection = builder.connectionObject(
  { type: FlowType, name: 'FlowConnection', description: 'A page of flows.' },
  { name: 'FlowEdge', description: 'A flow with its place among the others.' },
);

builder.queryFields((t) => ({
  flow: t.field({
    type: FlowType,
    nullable: true,
    description:
      "One flow of the caller's; null where there is none (also where it is somebody else's). Flows reach as far back as tasks.",
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { apiKey: 'TASKS_READ' },
    resolve: (_root, { id }, context) => findFlow(context.services.database, reachOf(requirePrincipal(context)), id),
  }),
  flows: t.connection(
    {
      type: FlowType,
      description: `The caller's flows, newest first, at most ${FLOW_PAGE.max} a page. Default: the first ${FLOW_PAGE.initial}.`,
      authScopes: { apiKey: 'TASKS_READ' },
      resolve: async (_root, page, context) => {
        const reach = reachOf(requirePrincipal(context));
        return toConnection(await context.services.lists.read((database) => findFlows(database, reach, page)));
      },
    },
    FlowConnection,
  ),
}));

builder.subscriptionField('flowsUpdated', (t) =>
  t.field({
    type: FlowConnection,
    description:
      'A page of flows, as `flows` gives it: now, then whenever there are others on it or their counts have changed, at most once a second. Which of their tasks has gone on, taskChanges says.',
    args: t.arg.connectionArgs(),
    authScopes: { apiKey: 'TASKS_READ' },
    subscribe: (_root, page, context) =>
      context.services.flowListWatcher.watchPage(reachOf(requirePrincipal(context)), page),
    resolve: (page) => toConnection(page),
  }),
);

const FlowTaskInputType = builder.inputType('FlowTaskInput', {
  description:
    'A task of a flow. It has no idempotencyKey: it could be that of an earlier task, which waits for nothing here.',
  fields: (t) => ({
    ...submitFields(t),
    name: t.string({
      required: true,
      description: 'What the other tasks of the flow call it: 1 to 64 of a-z, A-Z, 0-9, ".", "_", ":", "-".',
    }),
    dependsOn: t.stringList({
      description: 'Names of the tasks of the flow that it waits for, at most 100: it is WAITING until all have ended.',
    }),
  }),
});

const CreateFlowInput = builder.inputType('CreateFlowInput', {
  description: 'A graph of tasks.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'What it is called, in 1 to 100 characters; it need not be unique.',
    }),
    tasks: t.field({
      type: [FlowTaskInputType],
      required: true,
      description: `Its tasks, 1 to ${MAX_FLOW_TASKS}, in any order.`,
    }),
  }),
});

const toFlowInput = ({ name, tasks }: typeof CreateFlowInput.$inferInput): FlowInput => ({
  name,
  tasks: tasks.map((task): FlowTaskInput => withDefaults(task)),
});

builder.mutationField('createFlow', (t) =>
  t.field({
    type: FlowType,
    description:
      'Submits a graph of tasks, all or none. Tasks that wait for others get their results; tasks that wait for each other in a circle are refused.',
    args: { input: t.arg({ type: CreateFlowInput, required: true, description: 'The flow.' }) },
    authScopes: { apiKey: 'TASKS_WRITE' },
    resolve: (_root, { input }, context) =>
      createFlow(context.services, requirePrincipal(context).userId, toFlowInput(input)),
  }),
);
