import { requireAdmin } from '../accounts/principal.ts';
import type { LatencyFigures } from '../queues/latency-histogram.ts';
import type { Statistics, StatisticsRates, StatisticsTasks } from '../queues/statistics.ts';
import { MAX_FAILED } from '../queues/statistics-store.ts';
import { builder } from './builder.ts';
import { requirePrincipal } from './context.ts';

const RatesType = builder.objectRef<StatisticsRates>('StatisticsRates').implement({
  description: 'How many tasks a second.',
  fields: (t) => ({
    submitted: t.exposeFloat('submitted', { description: 'Were submitted.' }),
    started: t.exposeFloat('started', { description: 'Were begun by a worker; each attempt counts.' }),
    completed: t.exposeFloat('completed', { description: 'Were completed.' }),
    failed: t.exposeFloat('failed', { description: 'Failed for good.' }),
    cancelled: t.exposeFloat('cancelled', { description: 'Were cancelled.' }),
  }),
});

const TasksType = builder.objectRef<StatisticsTasks>('StatisticsTasks').implement({
  description: 'How many tasks stand where. Those that wait for other tasks are not counted.',
  fields: (t) => ({
    queued: t.exposeInt('queued', { description: 'Waiting for a worker.' }),
    scheduled: t.exposeInt('scheduled', { description: 'Not due yet, or waiting for their retry.' }),
    processing: t.exposeInt('processing', { description: 'Being run.' }),
    failed: t.exposeInt('failed', {
      description: `Failed for good, and neither put back nor deleted since. No more than ${MAX_FAILED.toLocaleString('en')} are counted.`,
    }),
  }),
});

const LatencyType = builder.objectRef<LatencyFigures>('Latency').implement({
  description: 'How long something took, off by at most 2.5 %.',
  fields: (t) => ({
    count: t.exposeInt('count', { description: 'Of how many tasks this is.' }),
    p50Ms: t.exposeInt('p50Ms', { description: 'Half of them took no longer, in ms.' }),
    p99Ms: t.exposeInt('p99Ms', { description: 'All but one in a hundred took no longer, in ms.' }),
  }),
});

const StatisticsType = builder.objectRef<Statistics>('Statistics').implement({
  description: 'How tasks stand, and what happened to them in the last window.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When the window ended.' }),
    windowMs: t.exposeInt('windowMs', {
      description: 'How long it was, in ms: since the message before. 0 in a first message that knows of none.',
    }),
    rates: t.expose('rates', { type: RatesType, description: 'What happened in the window.' }),
    tasks: t.expose('tasks', { type: TasksType, description: 'How many stand where now.' }),
    completion: t.expose('completion', {
      type: LatencyType,
      nullable: true,
      description: 'From the submission to COMPLETED, of those that were completed in the window; null for none.',
    }),
    queueWait: t.expose('queueWait', {
      type: LatencyType,
      nullable: true,
      description:
        'From the last time it was QUEUED until a worker began, of those that were begun in the window; null for none. Where it was put back before anybody watched, it is not counted.',
    }),
  }),
});

builder.subscriptionField('statisticsUpdated', (t) =>
  t.field({
    type: StatisticsType,
    description:
      "Statistics of the caller's tasks: at once, then each second. For an overview: it costs the same however many tasks there are. While Redis or PostgreSQL are away nothing comes, and then a message about the whole time.",
    args: {
      everybody: t.arg.boolean({
        defaultValue: false,
        description:
          "Of all owners' tasks; takes the login of an admin. What happened while the server's connection to Redis was cut is missing in rates and latencies.",
      }),
    },
    authScopes: { apiKey: 'TASKS_READ' },
    subscribe: (_root, { everybody }, context) => {
      const principal = requirePrincipal(context);
      if (everybody) requireAdmin(principal);
      return context.services.statisticsWatcher.watch(everybody ? undefined : principal.userId);
    },
    resolve: (statistics) => statistics,
  }),
);
