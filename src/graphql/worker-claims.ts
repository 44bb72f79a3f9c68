import { requireAdminsLogin } from '../accounts/principal.ts';
import type { Claim } from '../broker/calls.ts';
import { type AnnouncedType, announceWorker, dismissWorker } from '../claims/announce-worker.ts';
import { claimTasks, LEASE_MS, MAX_CLAIMED } from '../claims/claim-tasks.ts';
import {
  completeClaims,
  type ExtendedLeases,
  extendClaims,
  failClaims,
  type Lost,
  logClaims,
  progressClaims,
  releaseClaims,
} from '../claims/report-claims.ts';
import type { WorkSignal } from '../claims/watch-work.ts';
import { builder } from './builder.ts';
import { type Context, requirePrincipal } from './context.ts';
import { BackoffInputType } from './tasks.ts';

/** A worker sees everybody's payloads: a login must be an admin's. */
const requireWorker = (context: Context): Context['services'] => {
  requireAdminsLogin(requirePrincipal(context), 'WORKER');
  return context.services;
};

const ClaimedTaskType = builder.objectRef<Claim>('ClaimedTask').implement({
  description: 'A task that a worker was given, with what entitles it to report.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id of the task.' }),
    token: t.exposeString('token', { description: 'To be sent along with each report; good for this attempt only.' }),
    attempt: t.exposeInt('attempt', { description: 'Counted from 1.' }),
    maxAttempts: t.exposeInt('maxAttempts', { description: 'How often it is tried, at most.' }),
    timeoutMs: t.int({
      nullable: true,
      description: 'How long the attempt may take: the worker ends it then, with the code TIMEOUT.',
      resolve: ({ timeoutMs }) => timeoutMs ?? null,
    }),
    ownerId: t.exposeID('ownerId', { description: 'Whose task it is.' }),
    queue: t.exposeString('queue', { description: 'In which queue it waited.' }),
    type: t.exposeString('type', { description: 'Which handler is to run it.' }),
    payload: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What it was submitted with.',
      resolve: ({ payload }) => JSON.parse(payload) as unknown,
    }),
    parents: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What became of the tasks that it waited for, by their names; null where it waited for none.',
      resolve: ({ parents }) => (parents === '' ? null : (JSON.parse(parents) as unknown)),
    }),
    traceparent: t.string({
      nullable: true,
      description:
        'W3C Trace Context of its submission, for what the worker asks elsewhere; null where that is not traced.',
      resolve: ({ traceparent }) => traceparent ?? null,
    }),
  }),
});

const ClaimReportType = builder.objectRef<{ lost: Lost }>('ClaimReport').implement({
  description: 'How reports were taken.',
  fields: (t) => ({
    lost: t.exposeIDList('lost', {
      description: 'Tasks whose lease was lost, or whose end was taken already: for them nothing was written.',
    }),
  }),
});

const StoppingTaskType = builder.objectRef<ExtendedLeases['stopping'][number]>('StoppingTask').implement({
  description: 'A task that was told to stop while a worker ran it.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The id of the task.' }),
    reason: t.expose('reason', { type: 'JSON', nullable: true, description: 'Why.' }),
  }),
});

const ExtendedLeasesType = builder.objectRef<ExtendedLeases>('ExtendedLeases').implement({
  description: 'Which leases go on.',
  fields: (t) => ({
    lost: t.exposeIDList('lost', { description: 'Another worker may have these tasks by now: stop working at them.' }),
    stopping: t.expose('stopping', {
      type: [StoppingTaskType],
      description: 'These were cancelled: end them soon, in whatever way; they become CANCELLED.',
    }),
  }),
});

const WorkSignalType = builder.objectRef<WorkSignal>('WorkSignal').implement({
  description: 'Claiming is worth a try.',
  fields: (t) => ({ at: t.expose('at', { type: 'DateTime', description: 'When this was noticed.' }) }),
});

const LeaseInput = builder.inputType('LeaseInput', {
  description: 'A task that a worker holds.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The id of the task.' }),
    token: t.string({ required: true, description: 'As claimTasks gave it.' }),
  }),
});

const CompletedTaskInput = builder.inputType('CompletedTaskInput', {
  description: 'A task that a worker completed.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The id of the task.' }),
    token: t.string({ required: true, description: 'As claimTasks gave it.' }),
    result: t.field({ type: 'JSON', description: 'What came out; at most MAX_RESULT_BYTES.' }),
  }),
});

const TaskErrorInput = builder.inputType('TaskErrorInput', {
  description: 'Why an attempt failed.',
  fields: (t) => ({
    message: t.string({ required: true, description: 'In words; shortened to 4,000 characters.' }),
    code: t.string({ description: 'For programs.' }),
    stack: t.string({ description: 'Where; shortened to 8,000 characters.' }),
  }),
});

const FailedTaskInput = builder.inputType('FailedTaskInput', {
  description: 'A task at which a worker failed.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The id of the task.' }),
    token: t.string({ required: true, description: 'As claimTasks gave it.' }),
    error: t.field({ type: TaskErrorInput, required: true, description: 'Why.' }),
    retry: t.boolean({ required: true, defaultValue: true, description: 'May another attempt help?' }),
    delayMs: t.int({ description: "How long until the next attempt. Default: as the task's backoff says." }),
  }),
});

const ProgressInput = builder.inputType('ProgressInput', {
  description: 'How far an attempt is.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The id of the task.' }),
    token: t.string({ required: true, description: 'As claimTasks gave it.' }),
    percent: t.float({ required: true, description: '0 to 100.' }),
    detail: t.field({ type: 'JSON', description: 'For people or programs; at most 4,096 characters as JSON.' }),
  }),
});

const LogLineInput = builder.inputType('LogLineInput', {
  description: 'A line to keep with a task.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The id of the task.' }),
    token: t.string({ required: true, description: 'As claimTasks gave it.' }),
    number: t.int({ required: true, description: 'Counts the lines of the attempt, from 1 to 1,000.' }),
    level: t.string({ required: true, description: 'debug, info, warn or error.' }),
    message: t.string({ required: true, description: 'In words.' }),
    fields: t.field({ type: 'JSON', description: 'For programs.' }),
  }),
});

const AnnouncedTypeInput = builder.inputType('AnnouncedTypeInput', {
  description: 'A task type that a worker runs.',
  fields: (t) => ({
    type: t.string({ required: true, description: 'Its name.' }),
    payloadSchema: t.field({ type: 'JSON', description: 'JSON Schema of its payload. Default: any will do.' }),
    timeoutMs: t.int({ description: 'Of tasks that do not say.' }),
    backoff: t.field({ type: BackoffInputType, description: 'Of tasks that do not say.' }),
  }),
});

const WorkerHeartbeatInput = builder.inputType('WorkerHeartbeatInput', {
  description: 'What a worker says of itself.',
  fields: (t) => ({
    workerId: t.id({ required: true, description: 'New at each start; 1 to 128 visible ASCII characters.' }),
    language: t.string({ required: true, description: 'What it is written in.' }),
    host: t.string({ required: true, description: 'The machine it runs on.' }),
    version: t.string({ description: 'Of its program.' }),
    queues: t.stringList({ required: true, description: 'Which queues it serves; "*" for all.' }),
    concurrency: t.int({ required: true, description: 'How many tasks it runs at once, at most.' }),
    running: t.int({ required: true, description: 'How many it runs now.' }),
    types: t.field({ type: [AnnouncedTypeInput], required: true, description: 'What it can run.' }),
  }),
});

const ServedInput = {
  queues: 'From which queues; "*" for all.',
  types: 'Which task types it can run.',
} as const;

const ClaimTasksInput = builder.inputType('ClaimTasksInput', {
  description: 'What a worker wants to be given.',
  fields: (t) => ({
    workerId: t.id({ required: true, description: 'As in its heartbeats.' }),
    queues: t.stringList({ required: true, defaultValue: ['*'], description: ServedInput.queues }),
    types: t.stringList({ required: true, description: ServedInput.types }),
    limit: t.int({ required: true, defaultValue: 1, description: `How many, at most; 1 to ${MAX_CLAIMED}.` }),
    leaseMs: t.int({
      required: true,
      defaultValue: LEASE_MS.initial,
      description: `How long it may be silent before they are given to another; ${LEASE_MS.min} to ${LEASE_MS.max}.`,
    }),
  }),
});

const WorkAvailableInput = builder.inputType('WorkAvailableInput', {
  description: 'What a worker can do.',
  fields: (t) => ({
    queues: t.stringList({ required: true, defaultValue: ['*'], description: ServedInput.queues }),
    types: t.stringList({ required: true, description: ServedInput.types }),
  }),
});

const workerId = { required: true, description: 'Who reports.' } as const;
const scope = { apiKey: 'WORKER' } as const;

builder.mutationFields((t) => ({
  claimTasks: t.field({
    type: [ClaimedTaskType],
    description:
      'Gives waiting tasks of any owner to a worker, with a lease; none where none wait (workAvailable says when to try again). For an API key with the scope WORKER.',
    args: { input: t.arg({ type: ClaimTasksInput, required: true, description: 'What it wants.' }) },
    authScopes: scope,
    resolve: (_root, { input }, context) => claimTasks(requireWorker(context).broker, input),
  }),
  extendLeases: t.field({
    type: ExtendedLeasesType,
    description: 'Extends leases, counted from now; to be called at a third of leaseMs. Also says what was cancelled.',
    args: {
      leases: t.arg({ type: [LeaseInput], required: true, description: 'What the worker holds.' }),
      leaseMs: t.arg.int({ required: true, defaultValue: LEASE_MS.initial, description: 'As in claimTasks.' }),
    },
    authScopes: scope,
    resolve: (_root, { leases, leaseMs }, context) => extendClaims(requireWorker(context).broker, leases, leaseMs),
  }),
  completeTasks: t.field({
    type: ClaimReportType,
    description: 'Ends attempts with their results: the tasks are COMPLETED. Safe to repeat.',
    args: {
      workerId: t.arg.id(workerId),
      results: t.arg({ type: [CompletedTaskInput], required: true, description: 'At most 500.' }),
    },
    authScopes: scope,
    resolve: async (_root, { workerId, results }, context) => ({
      lost: await completeClaims(requireWorker(context), workerId, results),
    }),
  }),
  failTasks: t.field({
    type: ClaimReportType,
    description: 'Ends attempts with an error: the tasks are tried again, or FAILED. Safe to repeat.',
    args: {
      workerId: t.arg.id(workerId),
      failures: t.arg({ type: [FailedTaskInput], required: true, description: 'At most 500.' }),
    },
    authScopes: scope,
    resolve: async (_root, { workerId, failures }, context) => ({
      lost: await failClaims(
        requireWorker(context).broker,
        workerId,
        failures.map((failure) => ({ ...failure, delayMs: failure.delayMs ?? null })),
      ),
    }),
  }),
  releaseTasks: t.field({
    type: ClaimReportType,
    description: 'Hands tasks back unfinished, without using up an attempt. For a worker that shuts down.',
    args: {
      workerId: t.arg.id(workerId),
      leases: t.arg({ type: [LeaseInput], required: true, description: 'At most 500.' }),
    },
    authScopes: scope,
    resolve: async (_root, { workerId, leases }, context) => ({
      lost: await releaseClaims(requireWorker(context).broker, workerId, leases),
    }),
  }),
  reportProgress: t.field({
    type: ClaimReportType,
    description: 'Says how far attempts are; live on their subscriptions. At most ten times a second a task.',
    args: { reports: t.arg({ type: [ProgressInput], required: true, description: 'At most 500.' }) },
    authScopes: scope,
    resolve: async (_root, { reports }, context) => ({
      lost: await progressClaims(requireWorker(context).broker, reports),
    }),
  }),
  writeTaskLogs: t.field({
    type: ClaimReportType,
    description: 'Keeps log lines with tasks that run.',
    args: { lines: t.arg({ type: [LogLineInput], required: true, description: 'At most 500.' }) },
    authScopes: scope,
    resolve: async (_root, { lines }, context) => ({ lost: await logClaims(requireWorker(context).broker, lines) }),
  }),
  workerHeartbeat: t.boolean({
    description:
      'Lists a worker and announces its task types; to be called at its start and every HEARTBEAT_INTERVAL_SECONDS (30). After three missing ones it is listed no more.',
    args: { input: t.arg({ type: WorkerHeartbeatInput, required: true, description: 'What it says of itself.' }) },
    authScopes: scope,
    resolve: async (_root, { input }, context) => {
      await announceWorker(requireWorker(context), { ...input, types: input.types as AnnouncedType[] });
      return true;
    },
  }),
  workerGoodbye: t.boolean({
    description: 'Takes a worker off the list, at its end.',
    args: { workerId: t.arg.id({ required: true, description: 'As in its heartbeats.' }) },
    authScopes: scope,
    resolve: async (_root, { workerId }, context) => {
      await dismissWorker(requireWorker(context).broker, workerId);
      return true;
    },
  }),
}));

builder.subscriptionField('workAvailable', (t) =>
  t.field({
    type: WorkSignalType,
    description:
      'One signal at once, then one whenever there is something to claim, at most four a second. For workers that claim through GraphQL.',
    args: { input: t.arg({ type: WorkAvailableInput, required: true, description: 'What the worker can do.' }) },
    authScopes: scope,
    subscribe: (_root, { input }, context) => requireWorker(context).workWatcher.watch(input),
    resolve: (signal) => signal,
  }),
);
