import type { GraphQLResolveInfo } from 'graphql';
import { ownerOfReach, readingReachOf } from '../accounts/principal.ts';
import type { Database } from '../database/client.ts';
import { type BackoffInput, decodeBackoff } from '../tasks/backoff.ts';
import { DEFAULT_PAGE, findTask, findTasks, LARGE_PARTS, MAX_PAGE, type TaskSummary } from '../tasks/find-tasks.ts';
import { MAX_PARENTS, MAX_TASKS_AT_ONCE } from '../tasks/new-task.ts';
import { toConnection } from '../tasks/page.ts';
import { submitTasks } from '../tasks/submit-tasks.ts';
import { TASK_STATUSES, type TaskPriority } from '../tasks/task-state.ts';
import { DEFAULT_MAX_ATTEMPTS } from '../tasks/type-defaults.ts';
import { waitReasonOf } from '../tasks/wait-reason.ts';
import { readChangesCursor } from '../tasks/watch-changes.ts';
import type { WatchedEvent } from '../tasks/watch-tasks.ts';
import { builder, type SchemaTypes } from './builder.ts';
import { requirePrincipal, requireReader } from './context.ts';
import { selects } from './selection.ts';
import { WaitReasonType } from './wait-reason.ts';
import { type OwnedWhere, splitWhere } from './wanted-owner.ts';

const STATUS_DESCRIPTIONS = {
  SCHEDULED: 'Not due yet, or waiting for its retry.',
  WAITING: 'For tasks that it depends on.',
  QUEUED: 'Waits for a worker.',
  PROCESSING: 'A worker runs it.',
  COMPLETED: 'Ended well; the result is there.',
  FAILED: 'Its attempts are used up: the dead letter.',
  CANCELLED: 'Ended because somebody said so.',
} as const;

export const TaskStatusType = builder.enumType('TaskStatus', {
  description: 'Where a task stands.',
  values: Object.fromEntries(
    TASK_STATUSES.map((status) => [status, { description: STATUS_DESCRIPTIONS[status] }]),
  ) as Record<keyof typeof STATUS_DESCRIPTIONS, { description: string }>,
});

export const TaskPriorityType = builder.enumType('TaskPriority', {
  description: 'What goes first. HIGH has a lane of its own.',
  values: { HIGH: {}, NORMAL: {}, LOW: {} } as const,
});

interface ErrorShape {
  message: string;
  code: string | null;
  stack: string | null;
}

/** Errors come from workers in any language: what is no object with a message becomes the message. */
const toError = (error: unknown): ErrorShape | null => {
  if (error === null || error === undefined) return null;
  const { message, code, stack } = Object(error) as Record<string, unknown>;
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  return { message: text(message) ?? text(error) ?? JSON.stringify(error), code: text(code), stack: text(stack) };
};

const BackoffKindType = builder.enumType('BackoffKind', {
  description: 'How the delay between attempts grows.',
  values: {
    FIXED: { description: 'It does not.' },
    EXPONENTIAL: { description: 'It doubles with each attempt.' },
  } as const,
});

export const BackoffType = builder.objectRef<Required<BackoffInput>>('Backoff').implement({
  description: 'How long a failed task waits for its next attempt.',
  fields: (t) => ({
    kind: t.expose('kind', { type: BackoffKindType, description: 'How the delay grows.' }),
    delayMs: t.exposeInt('delayMs', { description: 'Before the second attempt, in ms.' }),
    maxDelayMs: t.exposeInt('maxDelayMs', { nullable: true, description: 'Never longer than this, in ms.' }),
    jitter: t.exposeFloat('jitter', { nullable: true, description: 'Which share of the delay is random, 0 to 1.' }),
  }),
});

export const BackoffInputType = builder.inputRef<BackoffInput>('BackoffInput').implement({
  description: 'How long a failed task waits for its next attempt.',
  fields: (t) => ({
    kind: t.field({ type: BackoffKindType, required: true, description: 'How the delay grows.' }),
    delayMs: t.int({ required: true, description: 'Before the second attempt, in ms; at most a week.' }),
    maxDelayMs: t.int({
      description:
        'Never longer than this, in ms; not less than delayMs. Default: an hour, or delayMs where that is more.',
    }),
    jitter: t.float({ description: 'Which share of the delay is random, 0 to 1. Default: 0.5.' }),
  }),
});

const TaskErrorType = builder.objectRef<ErrorShape>('TaskError').implement({
  description: 'Why an attempt failed.',
  fields: (t) => ({
    message: t.exposeString('message', { description: 'What went wrong, in words.' }),
    code: t.exposeString('code', {
      nullable: true,
      description: 'What went wrong, for programs; the handler chooses it.',
    }),
    stack: t.exposeString('stack', {
      nullable: true,
      description: 'Where it went wrong, in the language of the worker.',
    }),
  }),
});

/** A task comes from a row, from its submission, or from a change of which subscribers are told: not always from Prisma. */
export const TaskType = builder.objectRef<TaskSummary>('Task');
export const TaskEventType = builder.objectRef<WatchedEvent>('TaskEvent');

TaskEventType.implement({
  description: 'One transition: what the audit trail keeps.',
  fields: (t) => ({
    taskId: t.exposeID('taskId', { description: 'Whose transition.' }),
    seq: t.exposeInt('seq', { description: 'Counts the transitions of a task, from 1, without holes.' }),
    status: t.expose('status', { type: TaskStatusType, description: 'What the task became.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    attempt: t.exposeInt('attempt', { description: 'In which attempt; 0 before the first.' }),
    workerId: t.exposeString('workerId', { nullable: true, description: 'Which worker had to do with it.' }),
    detail: t.expose('detail', {
      type: 'JSON',
      nullable: true,
      description: 'The error or the reason. A result stands with the task.',
    }),
  }),
});

TaskType.implement({
  description: 'A unit of work.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7: later tasks have greater ids.' }),
    ownerId: t.exposeID('ownerId', { description: 'The user whose task it is.' }),
    type: t.exposeString('type', { description: 'Which handler runs it.' }),
    queue: t.exposeString('queue', { description: 'In which line it waits.' }),
    payload: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What the handler is given.',
      resolve: ({ id, payload }, _args, { services }) =>
        payload === undefined ? services.loaders.payload.load(id) : payload,
    }),
    priority: t.expose('priority', { type: TaskPriorityType, description: 'What goes first.' }),
    status: t.expose('status', { type: TaskStatusType, description: 'Where it stands.' }),
    attempt: t.exposeInt('attempt', { description: 'The present or last attempt, from 1; 0 before the first.' }),
    maxAttempts: t.exposeInt('maxAttempts', { description: 'How often it is tried before it is FAILED.' }),
    progress: t.exposeFloat('progress', {
      nullable: true,
      description: '0 to 100, as the handler last said; null where it said nothing.',
    }),
    progressDetail: t.expose('progressDetail', {
      type: 'JSON',
      nullable: true,
      description:
        'What the handler said with it. One of more than 4 KiB is not kept: then it is {"error": "DETAIL_TOO_LARGE", "bytes", "limit"}.',
    }),
    result: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What the handler returned.',
      resolve: ({ id, result, status }, _args, { services }) => {
        if (result !== undefined) return result;
        return status === 'COMPLETED' ? services.loaders.result.load(id) : null;
      },
    }),
    error: t.field({
      type: TaskErrorType,
      nullable: true,
      description: 'Why the last attempt failed. Null once it is COMPLETED.',
      resolve: ({ error }) => toError(error),
    }),
    backoff: t.field({
      type: BackoffType,
      nullable: true,
      description: 'How long it waits between attempts; null for the default: 1 s, doubled each time, at most an hour.',
      resolve: ({ backoff }) => decodeBackoff(backoff),
    }),
    timeoutMs: t.exposeInt('timeoutMs', { nullable: true, description: 'How long one attempt may take, in ms.' }),
    cancelRequestedAt: t.expose('cancelRequestedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was told to stop while it ran.',
    }),
    cancelReason: t.string({
      nullable: true,
      description: 'Why it was cancelled, in the words of who did it.',
      resolve: ({ cancelReason }) => {
        const { message } = Object(cancelReason) as { message?: unknown };
        return typeof message === 'string' ? message : null;
      },
    }),
    workerId: t.exposeString('workerId', { nullable: true, description: 'The worker that runs it, or ran it last.' }),
    waitReason: t.field({
      type: WaitReasonType,
      nullable: true,
      description:
        'Why it does not run yet; null where it runs or has ended. Asks Redis: while it is away, the field is UNAVAILABLE.',
      resolve: (task, _args, { services }) => waitReasonOf(task, services.waitReasons),
    }),
    tags: t.exposeStringList('tags', { description: 'Words of the submitter, to find tasks by.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was submitted.' }),
    runAt: t.expose('runAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it is or was due, where that was not at once.',
    }),
    startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true, description: 'When its last attempt began.' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true, description: 'When it ended.' }),
    events: t.field({
      type: [TaskEventType],
      description: 'All its transitions so far, in order.',
      resolve: ({ id }, _args, { services }) => services.loaders.events.load(id),
    }),
  }),
});

const PayloadFilterType = builder.inputType('PayloadFilter', {
  description: 'A value at a place in the payload.',
  fields: (t) => ({
    path: t.string({
      required: true,
      description:
        'Keys with dots between, places in a list by their number, from 0: "customer.id", "items.0.sku". A dot inside a key is written "\\.".',
    }),
    equals: t.field({
      type: 'JSON',
      description:
        'What stands there, exactly: 1 is not "1". null finds tasks with null there, not those with nothing.',
    }),
  }),
});

export const TaskWhereType = builder.inputRef<OwnedWhere>('TaskWhere').implement({
  description:
    'Which tasks: all that is given must hold. A list holds if one of its values does, but tags and payload must all fit. Searches by tag, type, queue, time or FAILED are quick; others look at task after task, and one that takes too long is BAD_USER_INPUT.',
  fields: (t) => ({
    ids: t.idList({ description: 'Tasks by id.' }),
    ownerId: t.id({
      description:
        "This user's. Others' than one's own take the login of an admin. Default: the caller's; for an admin everybody's, but in taskChanges.",
    }),
    status: t.field({ type: [TaskStatusType], description: 'Where they stand.' }),
    queue: t.stringList({ description: 'In which queues.' }),
    type: t.stringList({ description: 'Of which task types.' }),
    tags: t.stringList({ description: 'With all of these tags.' }),
    payload: t.field({
      type: [PayloadFilterType],
      description: 'With all of these values in the payload. Not for taskChanges.',
    }),
    createdAfter: t.field({ type: 'DateTime', description: 'Submitted after this time.' }),
    createdBefore: t.field({ type: 'DateTime', description: 'Submitted before this time.' }),
  }),
});

/** Those of the large parts of a task that the operation asks for. */
export const largeParts = (info: GraphQLResolveInfo) => LARGE_PARTS.filter((part) => selects(info, part));

const HOW_FAR_BACK =
  'Tasks reach TASK_RETENTION_DAYS days back (30, if nothing else is set), counted from the end of the day of their submission (UTC); where they are set, COMPLETED_RETENTION_DAYS, FAILED_RETENTION_DAYS and CANCELLED_RETENTION_DAYS for those that ended so. Unfinished ones do not go.';

builder.queryFields((t) => ({
  task: t.field({
    type: TaskType,
    nullable: true,
    description: `One task of the caller's; null where there is none (also where it is somebody else's). ${HOW_FAR_BACK}`,
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { reader: true },
    resolve: (_root, { id }, context, info) =>
      findTask(context.services.database, readingReachOf(requireReader(context)), id, largeParts(info)),
  }),
  tasks: t.connection(
    {
      type: TaskType,
      description: `The caller's tasks, an admin's login sees everybody's; newest first, at most ${MAX_PAGE} a page. Default: the first ${DEFAULT_PAGE}. ${HOW_FAR_BACK}`,
      args: { where: t.arg({ type: TaskWhereType, description: 'Which of them. Default: all.' }) },
      authScopes: { reader: true },
      resolve: async (_root, { where: filter, ...page }, context, info) => {
        const principal = requireReader(context);
        const { where, wanted } = splitWhere(principal, filter);
        const reach = wanted ?? readingReachOf(principal);
        const { database, lists } = context.services;
        const ownerId = ownerOfReach(reach);
        // Before the page, never after: what changes in between comes twice instead of not at all.
        const isFollowed = ownerId !== undefined && selects(info, 'changesCursor');
        const changesCursor = isFollowed ? await readChangesCursor(database, ownerId) : null;
        const find = (from: Database) => findTasks(from, reach, where, page);
        // With the cursor, the page must not be older than that.
        const found = await (isFollowed ? find(database) : lists.read(find));
        return { ...toConnection(found), changesCursor };
      },
    },
    {
      name: 'TaskConnection',
      description: 'A page of tasks.',
      fields: (t) => ({
        changesCursor: t.exposeString('changesCursor', {
          nullable: true,
          description:
            "Where to follow this page from without a gap: what changed since it was read comes from taskChanges(after: <this>). A change that the page shows already may come again; its event's seq tells. null for an admin's page of everybody's tasks: ask for one owner's (`where: { ownerId }`).",
        }),
      }),
    },
    { name: 'TaskEdge', description: 'A task with its place among the others.' },
  ),
}));

/** Of a submission that does not say. */
export const TASK_DEFAULTS = { queue: 'default', priority: 'NORMAL', maxAttempts: DEFAULT_MAX_ATTEMPTS } as const;

export const ParentFailureActionType = builder.enumType('ParentFailureAction', {
  description: 'What becomes of a waiting task when a task that it waits for fails or is cancelled.',
  values: {
    CANCEL: { description: 'It is cancelled, and so are those that wait for it and chose the same.' },
    RUN: { description: 'It runs once all others have ended; its handler is told how they ended.' },
  } as const,
});

type InputFields = PothosSchemaTypes.InputFieldBuilder<
  PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>,
  'InputObject'
>;

/** What tasks that are submitted alone have in common with those of a flow. */
export const submitFields = (t: InputFields) => ({
  type: t.string({ required: true, description: 'Which handler shall run it; see taskTypes.' }),
  payload: t.field({ type: 'JSON', description: "What the handler is given. It must fit the type's payloadSchema." }),
  queue: t.string({
    defaultValue: TASK_DEFAULTS.queue,
    description: 'In which line it waits: 1 to 64 of a-z, 0-9, ".", "_", "-".',
  }),
  priority: t.field({
    type: TaskPriorityType,
    defaultValue: TASK_DEFAULTS.priority,
    description: 'What goes first.',
  }),
  runAt: t.field({ type: 'DateTime', description: 'Not before this time.' }),
  maxAttempts: t.int({
    defaultValue: TASK_DEFAULTS.maxAttempts,
    description: 'How often it is tried; 1 to 100. null: as its type says, else 3.',
  }),
  timeoutMs: t.int({ description: 'How long one attempt may take, in ms. Default: as its type says.' }),
  backoff: t.field({
    type: BackoffInputType,
    description: 'How long it waits between attempts. Default: as its type says; else 1 s, doubled each time.',
  }),
  tags: t.stringList({ description: 'Up to 20 words, to find it by.' }),
  onParentFailure: t.field({
    type: ParentFailureActionType,
    defaultValue: 'CANCEL',
    description: 'What becomes of it when a task that it waits for fails or is cancelled.',
  }),
});

const CreateTaskInput = builder.inputType('CreateTaskInput', {
  description: 'What is to be done.',
  fields: (t) => ({
    ...submitFields(t),
    idempotencyKey: t.string({
      description:
        'The same key from the same owner returns the same task; with another payload it is a CONFLICT. It counts for IDEMPOTENCY_KEY_RETENTION_HOURS (24, if nothing else is set), and in any case until the task has ended.',
    }),
    dependsOn: t.idList({
      description: `Tasks of the same owner that it waits for, at most ${MAX_PARENTS}: it is WAITING until all have ended.`,
    }),
  }),
});

interface Defaulted {
  queue?: string | null | undefined;
  priority?: TaskPriority | null | undefined;
  maxAttempts?: number | null | undefined;
}

/** What a submission means that leaves something out. */
export const withDefaults = <T extends Defaulted>(input: T) => ({
  ...input,
  queue: input.queue ?? TASK_DEFAULTS.queue,
  priority: input.priority ?? TASK_DEFAULTS.priority,
  maxAttempts: input.maxAttempts ?? null,
});

builder.mutationFields((t) => ({
  createTask: t.field({
    type: TaskType,
    description: 'Submits a task. Once it is answered the task is durable, whatever fails.',
    args: { input: t.arg({ type: CreateTaskInput, required: true, description: 'What is to be done.' }) },
    authScopes: { apiKey: 'TASKS_WRITE' },
    resolve: async (_root, { input }, context) => {
      const { userId } = requirePrincipal(context);
      const [task] = await submitTasks(context.services, userId, [withDefaults(input)], () => 'input');
      return task as TaskSummary;
    },
  }),
  createTasks: t.field({
    type: [TaskType],
    description: `Submits tasks, all or none, in the order given, at most ${MAX_TASKS_AT_ONCE} at once. Counts as one request for rate limits.`,
    args: { inputs: t.arg({ type: [CreateTaskInput], required: true, description: 'What is to be done.' }) },
    authScopes: { apiKey: 'TASKS_WRITE' },
    resolve: (_root, { inputs }, context) =>
      submitTasks(context.services, requirePrincipal(context).userId, inputs.map(withDefaults)),
  }),
}));
