import { setTimeout as wait } from 'node:timers/promises';
import { defineTask } from '../../../workers/sdk/index.ts';
import { conformanceTasks } from '../../conformance/tasks/conformance.ts';

/** Gives its payload back when Redis may be out of order. */
export const late = defineTask({
  type: 'late',
  handler: async ({ payload }) => {
    await wait(500);
    return payload;
  },
});

/** In a thread, whose log comes to the worker's. */
export const isolatedLog = defineTask({
  type: 'isolated.log',
  isolate: import.meta.url,
  handler: (context) => {
    context.logger.warn({ err: Object.assign(new Error('refused'), { command: context.payload }) }, 'a thread says');
    return null;
  },
});

export const conformance = conformanceTasks;
