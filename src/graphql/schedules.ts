import { reachOf } from '../accounts/principal.ts';
import { badInput } from '../errors.ts';
import { createSchedule, MAX_SCHEDULES } from '../schedules/create-schedule.ts';
import { deleteSchedule } from '../schedules/delete-schedule.ts';
import { cursorOfRun, findScheduleRuns, RUN_PAGE, type Run } from '../schedules/find-runs.ts';
import { findSchedule, findSchedules, nextRuns, SCHEDULE_PAGE } from '../schedules/find-schedules.ts';
import { pauseSchedule } from '../schedules/pause-schedule.ts';
import { runScheduleNow } from '../schedules/run-schedule-now.ts';
import type { ScheduleInput } from '../schedules/schedule-input.ts';
import type { MissedRuns, Schedule } from '../schedules/schedule-store.ts';
import { type ScheduleChanges, updateSchedule } from '../schedules/update-schedule.ts';
import { decodeBackoff } from '../tasks/backoff.ts';
import { connectionOf, toConnection } from '../tasks/page.ts';
import { checkId } from '../tasks/task-where.ts';
import { builder } from './builder.ts';
import { callerOf, requirePrincipal } from './context.ts';
import { BackoffInputType, BackoffType, TASK_DEFAULTS, TaskPriorityType, TaskType } from './tasks.ts';

const NEXT_RUNS = { initial: 5, max: 50 } as const;
const DEFAULT_TIME_ZONE = 'UTC';

const MissedRunsType = builder.enumType('MissedRuns', {
  description: 'What becomes of due times that no manager could serve within a minute.',
  values: {
    SKIP: { description: 'They are left out.' },
    RUN_ONCE: { description: 'One task is made for all of them.' },
  } satisfies Record<MissedRuns, object>,
});

const ScheduleType = builder.objectRef<Schedule>('Schedule').implement({
  description: 'Makes a task whenever a cron expression is due.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUIDv7.' }),
    name: t.exposeString('name', {
      description: 'Unique among its owner\'s. Its tasks have the tag "schedule:<name>".',
    }),
    cron: t.exposeString('cron', { description: 'When it is due.' }),
    timeZone: t.exposeString('timeZone', { description: 'Whose clocks `cron` reads: an IANA name.' }),
    missedRuns: t.expose('missedRuns', { type: MissedRunsType, description: 'What becomes of missed due times.' }),
    isPaused: t.exposeBoolean('isPaused', {
      description: 'While it is, nothing is due, and nothing is made up later.',
    }),
    type: t.exposeString('type', { description: 'Which handler runs its tasks.' }),
    payload: t.expose('payload', { type: 'JSON', nullable: true, description: 'What the handler is given.' }),
    queue: t.exposeString('queue', { description: 'In which line its tasks wait.' }),
    priority: t.expose('priority', { type: TaskPriorityType, description: 'What goes first.' }),
    maxAttempts: t.exposeInt('maxAttempts', { description: 'How often a task is tried before it is FAILED.' }),
    timeoutMs: t.exposeInt('timeoutMs', {
      nullable: true,
      description: 'How long one attempt may take, in ms; null for as its type says.',
    }),
    backoff: t.field({
      type: BackoffType,
      nullable: true,
      description: 'How long a task waits between attempts; null for as its type says.',
      resolve: ({ backoff }) => decodeBackoff(backoff),
    }),
    tags: t.exposeStringList('tags', { description: 'Tags of its tasks, beside "schedule:<name>".' }),
    nextRunAt: t.expose('nextRunAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it is due next; null while it is paused, and when it is never due again.',
    }),
    nextRuns: t.field({
      type: ['DateTime'],
      description: 'When it is due next, and then, within ten years; none while it is paused.',
      args: {
        count: t.arg.int({ defaultValue: NEXT_RUNS.initial, description: `How many, 0 to ${NEXT_RUNS.max}.` }),
      },
      resolve: (schedule, { count }) => nextRuns(schedule, checkCount(count ?? NEXT_RUNS.initial)),
    }),
    lastRunAt: t.expose('lastRunAt', { type: 'DateTime', nullable: true, description: 'When it last made a task.' }),
    lastTask: t.field({
      type: TaskType,
      nullable: true,
      description: 'The task that it last made; null where that is no longer kept.',
      resolve: ({ lastTaskId }, _args, { services }) => (lastTaskId ? services.loaders.summary.load(lastTaskId) : null),
    }),
    lastError: t.exposeString('lastError', {
      nullable: true,
      description:
        'Why no task was made when it was last due, as when its payload does not fit its type any more; null when one was.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed, paused or resumed.' }),
  }),
});

const RunType = builder.objectRef<Run>('ScheduleRun').implement({
  description: 'A due time that a task was made for.',
  fields: (t) => ({
    dueAt: t.expose('dueAt', { type: 'DateTime', description: 'When it was due.' }),
    task: t.field({
      type: TaskType,
      nullable: true,
      description: 'The task; null where that is no longer kept.',
      resolve: ({ taskId }, _args, { services }) => services.loaders.summary.load(taskId),
    }),
  }),
});

const RunConnection = builder.connectionObject(
  { type: RunType, name: 'ScheduleRunConnection', description: 'A page of runs.' },
  { name: 'ScheduleRunEdge', description: 'A run with its place among the others.' },
);

builder.objectField(ScheduleType, 'runs', (t) =>
  t.field({
    type: RunConnection,
    description: `The due times that tasks were made for, the newest first, at most ${RUN_PAGE.max} a page; those of runScheduleNow are not among them. Default: the first ${RUN_PAGE.initial}. Kept are those of the last day, and of the last 30 days the newest 1,000.`,
    args: {
      first: t.arg.int({ description: 'How many.' }),
      after: t.arg.string({ description: 'The cursor after which they begin.' }),
    },
    resolve: async ({ id }, page, { services }) => {
      const { runs, hasNextPage } = await findScheduleRuns(services.scheduleRuns, id, page);
      return connectionOf({ nodes: runs, hasNextPage, hasPreviousPage: Boolean(page.after) }, cursorOfRun);
    },
  }),
);

const checkCount = (count: number): number => {
  if (count < 0) throw badInput('count', 'count must not be negative.');
  if (count > NEXT_RUNS.max) throw badInput('count', `count must be at most ${NEXT_RUNS.max}.`, NEXT_RUNS.max);
  return count;
};

const CRON_DESCRIPTION =
  'When it is due: "minute hour day-of-month month day-of-week", or six fields with seconds before them, or @hourly, @daily, @weekly, @monthly, @yearly.';

const CreateScheduleInput = builder.inputType('CreateScheduleInput', {
  description: 'A new schedule: when it is due, and the task to be made then.',
  fields: (t) => ({
    name: t.string({ required: true, description: "1 to 80 characters, unique among the owner's schedules." }),
    cron: t.string({ required: true, description: CRON_DESCRIPTION }),
    timeZone: t.string({
      defaultValue: DEFAULT_TIME_ZONE,
      description: 'Whose clocks `cron` reads: an IANA name, as "Europe/Berlin".',
    }),
    missedRuns: t.field({
      type: MissedRunsType,
      defaultValue: 'SKIP',
      description: 'What becomes of missed due times.',
    }),
    type: t.string({ required: true, description: 'Which handler shall run its tasks; see taskTypes.' }),
    payload: t.field({ type: 'JSON', description: "What the handler is given. It must fit the type's payloadSchema." }),
    queue: t.string({ defaultValue: TASK_DEFAULTS.queue, description: 'In which line its tasks wait.' }),
    priority: t.field({
      type: TaskPriorityType,
      defaultValue: TASK_DEFAULTS.priority,
      description: 'What goes first.',
    }),
    maxAttempts: t.int({
      defaultValue: TASK_DEFAULTS.maxAttempts,
      description: 'How often a task is tried; 1 to 100.',
    }),
    timeoutMs: t.int({ description: 'How long one attempt may take, in ms. Default: as its type says.' }),
    backoff: t.field({
      type: BackoffInputType,
      description: 'How long a task waits between attempts. Default: as its type says.',
    }),
    tags: t.stringList({ description: 'Up to 19 tags for its tasks, beside "schedule:<name>".' }),
  }),
});

const UpdateScheduleInput = builder.inputType('UpdateScheduleInput', {
  description:
    'Changes to a schedule: what is not given stays. null empties payload, timeoutMs, backoff and tags, and leaves the others.',
  fields: (t) => ({
    name: t.string({ description: 'Its new name. Tasks that were made before keep their tag.' }),
    cron: t.string({ description: `${CRON_DESCRIPTION} The next due time is then the next one from now on.` }),
    timeZone: t.string({
      description: 'Whose clocks `cron` reads. The next due time is then the next one from now on.',
    }),
    missedRuns: t.field({ type: MissedRunsType, description: 'What becomes of missed due times.' }),
    type: t.string({ description: 'Which handler shall run its tasks.' }),
    payload: t.field({ type: 'JSON', description: 'What the handler is given.' }),
    queue: t.string({ description: 'In which line its tasks wait.' }),
    priority: t.field({ type: TaskPriorityType, description: 'What goes first.' }),
    maxAttempts: t.int({ description: 'How often a task is tried.' }),
    timeoutMs: t.int({ description: 'How long one attempt may take, in ms.' }),
    backoff: t.field({ type: BackoffInputType, description: 'How long a task waits between attempts.' }),
    tags: t.stringList({ description: 'Tags for its tasks.' }),
  }),
});

const toScheduleInput = (input: typeof CreateScheduleInput.$inferInput): ScheduleInput => ({
  ...input,
  timeZone: input.timeZone ?? DEFAULT_TIME_ZONE,
  missedRuns: input.missedRuns ?? 'SKIP',
  queue: input.queue ?? TASK_DEFAULTS.queue,
  priority: input.priority ?? TASK_DEFAULTS.priority,
  maxAttempts: input.maxAttempts ?? TASK_DEFAULTS.maxAttempts,
});

const toChanges = (input: typeof UpdateScheduleInput.$inferInput): ScheduleChanges => ({
  ...input,
  name: input.name ?? undefined,
  cron: input.cron ?? undefined,
  timeZone: input.timeZone ?? undefined,
  missedRuns: input.missedRuns ?? undefined,
  type: input.type ?? undefined,
  queue: input.queue ?? undefined,
  priority: input.priority ?? undefined,
  maxAttempts: input.maxAttempts ?? undefined,
});

const ScheduleConnection = builder.connectionObject(
  { type: ScheduleType, name: 'ScheduleConnection', description: 'A page of schedules.' },
  { name: 'ScheduleEdge', description: 'A schedule with its place among the others.' },
);

builder.queryFields((t) => ({
  schedule: t.field({
    type: ScheduleType,
    nullable: true,
    description: "One schedule of the caller's; null where there is none (also where it is somebody else's).",
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { apiKey: 'TASKS_READ' },
    resolve: (_root, { id }, context) =>
      findSchedule(context.services.database, reachOf(requirePrincipal(context)), id),
  }),
  schedules: t.connection(
    {
      type: ScheduleType,
      description: `The caller's schedules, newest first, at most ${SCHEDULE_PAGE.max} a page. Default: the first ${SCHEDULE_PAGE.initial}.`,
      authScopes: { apiKey: 'TASKS_READ' },
      resolve: async (_root, page, context) => {
        const reach = reachOf(requirePrincipal(context));
        return toConnection(await context.services.lists.read((database) => findSchedules(database, reach, page)));
      },
    },
    ScheduleConnection,
  ),
}));

builder.subscriptionFields((t) => ({
  scheduleUpdated: t.field({
    type: ScheduleType,
    nullable: true,
    description:
      "One schedule of the caller's: now, then whenever it was changed, or has made a task, at most once a second; null where there is none, or no more.",
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    authScopes: { apiKey: 'TASKS_READ' },
    subscribe: (_root, { id }, context) =>
      context.services.scheduleWatcher.watchSchedule(reachOf(requirePrincipal(context)), checkId(id)),
    resolve: (schedule) => schedule,
  }),
  schedulesUpdated: t.field({
    type: ScheduleConnection,
    description:
      'A page of schedules, as `schedules` gives it: now, then whenever there are others on it, or one of them was changed or has made a task, at most once a second.',
    args: t.arg.connectionArgs(),
    authScopes: { apiKey: 'TASKS_READ' },
    subscribe: (_root, page, context) =>
      context.services.scheduleListWatcher.watchPage(reachOf(requirePrincipal(context)), page),
    resolve: (page) => toConnection(page),
  }),
}));

builder.mutationFields((t) => {
  const id = t.arg.id({ required: true, description: 'Its id.' });
  return {
    createSchedule: t.field({
      type: ScheduleType,
      description: `Makes a schedule. One owner has at most ${MAX_SCHEDULES}.`,
      args: { input: t.arg({ type: CreateScheduleInput, required: true, description: 'The schedule.' }) },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, { input }, context) =>
        createSchedule(context.services, requirePrincipal(context).userId, toScheduleInput(input)),
    }),
    updateSchedule: t.field({
      type: ScheduleType,
      description: 'Changes a schedule. Tasks that it has made stay as they are.',
      args: { id, input: t.arg({ type: UpdateScheduleInput, required: true, description: 'The changes.' }) },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, args, context) =>
        updateSchedule(context.services, callerOf(context), checkId(args.id), toChanges(args.input)),
    }),
    pauseSchedule: t.field({
      type: ScheduleType,
      description: 'Pauses a schedule. Due times during the pause are never made up.',
      args: { id },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, args, context) =>
        pauseSchedule(context.services.database, callerOf(context), checkId(args.id), true),
    }),
    resumeSchedule: t.field({
      type: ScheduleType,
      description: 'Ends the pause of a schedule: it is due at the next due time from now on.',
      args: { id },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, args, context) =>
        pauseSchedule(context.services.database, callerOf(context), checkId(args.id), false),
    }),
    deleteSchedule: t.field({
      type: ScheduleType,
      description: 'Deletes a schedule, and answers with it as it was. Tasks that it has made stay.',
      args: { id },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, args, context) => deleteSchedule(context.services.database, callerOf(context), checkId(args.id)),
    }),
    runScheduleNow: t.field({
      type: TaskType,
      description: 'Makes a task of a schedule at once, also of a paused one. Its due times stay as they are.',
      args: { id },
      authScopes: { apiKey: 'TASKS_WRITE' },
      resolve: (_root, args, context) => runScheduleNow(context.services, callerOf(context), checkId(args.id)),
    }),
  };
});
